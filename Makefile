# Thin aliases; everything is in bin/pettycash.
.PHONY: help up test check status locks image

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

up: ## start the whole system
	@bin/pettycash up

test: ## run all checks and tests on throw-away servers
	@bin/pettycash test

check: ## what the continuous integration runs
	@.ci/run

status: ## what runs
	@bin/pettycash status

image: ## build the container image
	docker build -t pettycash .

locks: ## renew requirements/lock.txt and dev.txt (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements/base.in -o requirements/lock.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header requirements/dev.in -o requirements/dev.txt
