"""The console: pages in a browser, for everybody who works with petty cash (console.md).

It decides nothing. A page reads through one operation of the permission table, a button runs one,
each through the same function as the API; what a page shows is what the API would answer.

`pages`      lists, details, acts: a domain declares its pages, the kit renders and runs them
`forms`      fields from the schema of an operation, and what was typed back into it
`session`    the cookie, signing in, proving once more who acts, forms that wait meanwhile
`errors`     refusals as pages
`words`      amounts, instants and names of states, for templates
`assets`     style, script and icons, under their hash

To add a page: CONTRIBUTING.md.
"""
