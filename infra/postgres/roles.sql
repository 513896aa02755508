-- Roles, database and extension that IBEX needs. Run it as superuser, as often as you like:
--
--   IBEX_DATABASE_OWNER_PASSWORD=... IBEX_DATABASE_APP_PASSWORD=... \
--     psql --no-psqlrc -h HOST -U postgres -d postgres -f infra/postgres/roles.sql
--
-- (psql 14 or later; or give the passwords with -v owner_password=... -v app_password=...)
--
-- ibex_owner owns the schema and migrates it. ibex_app runs everything else; row-level security
-- holds for it, because it owns no table, is no superuser and cannot bypass the policies.
--
-- -v test_databases=on is for servers that run the test suite: the owner may create databases,
-- and template1 passes the default grants on to them.

\set ON_ERROR_STOP on
\if :{?owner_password}
\else
  \getenv owner_password IBEX_DATABASE_OWNER_PASSWORD
\endif
\if :{?app_password}
\else
  \getenv app_password IBEX_DATABASE_APP_PASSWORD
\endif
\if :{?test_databases}
\else
  \set test_databases off
\endif

SET client_min_messages = warning;
SET log_min_error_statement = panic;  -- a statement that fails here would log a password
SET password_encryption = 'scram-sha-256';

\if :{?owner_password}
\else
  DO $$ BEGIN RAISE EXCEPTION 'Set IBEX_DATABASE_OWNER_PASSWORD.'; END $$;
\endif
\if :{?app_password}
\else
  DO $$ BEGIN RAISE EXCEPTION 'Set IBEX_DATABASE_APP_PASSWORD.'; END $$;
\endif

SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY['ibex_owner', 'ibex_app']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE ibex_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION
  PASSWORD :'owner_password';
ALTER ROLE ibex_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION
  PASSWORD :'app_password';
\if :test_databases
  ALTER ROLE ibex_owner CREATEDB;
\else
  ALTER ROLE ibex_owner NOCREATEDB;
\endif

SELECT 'CREATE DATABASE ibex OWNER ibex_owner ENCODING ''UTF8'''
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'ibex') \gexec

\connect ibex
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ibex_app;
ALTER DEFAULT PRIVILEGES FOR ROLE ibex_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ibex_app;
ALTER DEFAULT PRIVILEGES FOR ROLE ibex_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO ibex_app;

-- Only a superuser may create `vector`, so databases made later get it from template1.
\connect template1
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
\if :test_databases
  REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  GRANT USAGE ON SCHEMA public TO ibex_app;
  ALTER DEFAULT PRIVILEGES FOR ROLE ibex_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ibex_app;
  ALTER DEFAULT PRIVILEGES FOR ROLE ibex_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO ibex_app;
\endif
