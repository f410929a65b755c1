-- What spoke against a proposal that an admin accepted all the same.
ALTER TABLE proposals ADD COLUMN overruled text[] NOT NULL DEFAULT '{}';
