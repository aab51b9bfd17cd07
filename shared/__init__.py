"""What every service needs and none owns. Import path = file path; this package imports no service."""
