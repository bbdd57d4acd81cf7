"""The demo's story: eight weeks of three branches, told through the services.

`content` is what people bought, `plan` says who does what when, `acts` does it, `telling` writes it
chapter by chapter.
"""
