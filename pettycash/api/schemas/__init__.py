"""What goes over the wire: shapes, not rules."""
