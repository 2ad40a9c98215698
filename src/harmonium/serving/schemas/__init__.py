"""What goes over the wire: one model a request or answer, from which the OpenAPI document is made."""
