#!/bin/bash
# A role and a database of the same name for every service. The role owns its database and can connect to no other.
#
# The official image runs this once, when its data folder is empty, as its superuser POSTGRES_USER. Each password comes from the
# environment: DEADLINES_DATABASE_PASSWORD and so on. Nothing is created while one of them is missing.
set -euo pipefail

services=(eligibility deadlines responsibility notifications)
user=${POSTGRES_USER:-postgres}

for service in "${services[@]}"; do
    variable=${service^^}_DATABASE_PASSWORD
    if [[ -z ${!variable:-} ]]; then
        echo "$variable must hold the password of the role $service; docker-compose.yml passes it on from .env. Nothing was created." >&2
        exit 1
    fi
done

for service in "${services[@]}"; do
    # psql reads the password from the environment (\getenv), so that no list of processes shows it
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$user" --dbname "${POSTGRES_DB:-$user}" \
        --set service="$service" --set variable="${service^^}_DATABASE_PASSWORD" <<'SQL'
\getenv password :variable
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service" TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$user" --dbname "${POSTGRES_DB:-$user}" <<'SQL'
SELECT format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', datname) FROM pg_database WHERE datname IN (current_database(), 'postgres', 'template1')
\gexec
SQL
