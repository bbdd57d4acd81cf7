#!/bin/sh
# Runs once, when the database volume is empty: our three roles and the database that one of them owns.
set -eu
owner=$(cat /run/secrets/owner_password)
app=$(cat /run/secrets/app_password)
system=$(cat /run/secrets/system_password)
psql --set ON_ERROR_STOP=1 --set owner="$owner" --set app="$app" --set system="$system" \
    --username postgres --dbname postgres <<'SQL'
CREATE ROLE pettycash_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE PASSWORD :'owner';
CREATE ROLE pettycash_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE PASSWORD :'app';
CREATE ROLE pettycash_system LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE PASSWORD :'system';
CREATE DATABASE pettycash OWNER pettycash_owner;
REVOKE ALL ON DATABASE pettycash FROM PUBLIC;
GRANT CONNECT ON DATABASE pettycash TO pettycash_app, pettycash_system;
SQL
