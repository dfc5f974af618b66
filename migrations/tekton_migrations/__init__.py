"""The schema's migrations: numbered, expand then contract. Run by `tekton up`, never by hand."""
