"""What a door reports to its devices: results of grants, alarms and the doorbell, signed by the door's own key."""
