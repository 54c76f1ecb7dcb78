# The body is the share request itself.
.
