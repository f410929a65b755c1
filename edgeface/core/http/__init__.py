"""What programs and devices say over HTTP and RTSP alike: the login."""
