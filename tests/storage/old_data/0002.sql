SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.commands (
    command_id uuid NOT NULL,
    component_id text NOT NULL,
    instance_uuid uuid NOT NULL,
    granted bigint NOT NULL,
    kind text NOT NULL,
    arguments json NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    deadline timestamp with time zone NOT NULL,
    state text NOT NULL,
    message text NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT commands_kind_check CHECK ((kind = ANY (ARRAY['stop'::text, 'restart'::text, 'reload'::text, 'probe'::text]))),
    CONSTRAINT commands_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'accepted'::text, 'refused'::text, 'expired'::text])))
);
CREATE TABLE public.components (
    key text NOT NULL,
    component_id text NOT NULL,
    component_name text NOT NULL,
    component_type text NOT NULL,
    capabilities text[] NOT NULL,
    dependencies text[] NOT NULL,
    health_check text NOT NULL,
    metadata json NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revision bigint NOT NULL
);
CREATE TABLE public.histories (
    singleton boolean DEFAULT true NOT NULL,
    history_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT histories_singleton_check CHECK (singleton)
);
CREATE TABLE public.instances (
    instance_uuid uuid NOT NULL,
    key text NOT NULL,
    component_id text NOT NULL,
    version text NOT NULL,
    host text NOT NULL,
    port integer NOT NULL,
    machine text NOT NULL,
    state text NOT NULL,
    state_since timestamp with time zone NOT NULL,
    reason text NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    ready_at timestamp with time zone,
    ended_at timestamp with time zone,
    leased boolean NOT NULL,
    granted bigint NOT NULL,
    revision bigint NOT NULL,
    fingerprint text NOT NULL,
    CONSTRAINT instances_port_check CHECK (((port >= 0) AND (port <= 65535))),
    CONSTRAINT instances_state_check CHECK ((state = ANY (ARRAY['unknown'::text, 'registering'::text, 'initializing'::text, 'starting'::text, 'ready'::text, 'degraded'::text, 'failed'::text, 'stopping'::text, 'stopped'::text])))
);
CREATE TABLE public.journal (
    revision bigint NOT NULL,
    idx integer NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    old json,
    new json,
    cause json NOT NULL,
    batch_id uuid NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT journal_kind_check CHECK ((kind = ANY (ARRAY['component'::text, 'instance'::text, 'command'::text]))),
    CONSTRAINT journal_revision_check CHECK ((revision > 0))
);
CREATE TABLE public.leases (
    instance_uuid uuid NOT NULL,
    server_id uuid NOT NULL,
    session_epoch bigint NOT NULL,
    last_heartbeat timestamp with time zone NOT NULL,
    metrics json,
    version bigint NOT NULL,
    written_tx bigint NOT NULL,
    written_by uuid NOT NULL
);
CREATE TABLE public.requests (
    principal text NOT NULL,
    rpc text NOT NULL,
    request_id text NOT NULL,
    body_hash text NOT NULL,
    reply text NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.servers (
    server_id uuid NOT NULL,
    address text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    renewed_at timestamp with time zone NOT NULL,
    stored_until timestamp with time zone NOT NULL
);
CREATE TABLE public.switches (
    name text NOT NULL,
    value text NOT NULL,
    set_at timestamp with time zone NOT NULL
);
CREATE TABLE public.tombstones (
    instance_uuid uuid NOT NULL,
    component_id text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
INSERT INTO public.alembic_version VALUES
	('0002');
INSERT INTO public.commands VALUES
	('a50a3a2e-2288-5fbf-8350-5d80eaf18317', 'kept', 'f55abb2e-b6de-4c6d-89f5-119ba7c94ad2', 3, 'reload', '{}', '2026-11-21 20:26:54.516853+00', '2026-11-21 20:26:55.516853+00', 'accepted', '', 10);
INSERT INTO public.components VALUES
	('lost', 'lost', 'Lost', 'ui', '{}', '{}', '', '{}', '2026-11-21 20:26:54.410648+00', 1),
	('renewed', 'renewed', 'Renewed', 'ui', '{}', '{}', '', '{}', '2026-11-21 20:26:54.473786+00', 4),
	('kept', 'kept', 'Kept, and renamed', 'ui', '{search}', '{lost}', '', '{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18}', '2026-11-21 20:26:54.460913+00', 8),
	('repeated', 'repeated', 'Asked twice', 'ui', '{}', '{}', '', '{}', '2026-11-21 20:26:54.53112+00', 11);
INSERT INTO public.histories VALUES
	(true, 'd0b5e8ca', '2026-11-21 20:26:53.922697+00');
INSERT INTO public.instances VALUES
	('37b36fa9-8089-4ed2-87b9-0008bfe22c48', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'stopped', '2026-11-21 20:26:54.482641+00', 'superseded', '2026-11-21 20:26:54.473786+00', NULL, '2026-11-21 20:26:54.482641+00', false, 4, 5, '675172cf4741f8de'),
	('f55abb2e-b6de-4c6d-89f5-119ba7c94ad2', 'kept', 'kept', '1.0.0', 'host-1', 8500, '', 'ready', '2026-11-21 20:26:54.752016+00', 'heartbeat', '2026-11-21 20:26:54.460913+00', '2026-11-21 20:26:54.752016+00', NULL, true, 3, 12, '4608d2c8736eadca'),
	('bb549f54-2e20-4150-b573-e7e481ee2762', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'ready', '2026-11-21 20:26:54.763931+00', 'heartbeat', '2026-11-21 20:26:54.482641+00', '2026-11-21 20:26:54.763931+00', NULL, true, 5, 13, '675172cf4741f8de'),
	('ba56b27f-2404-433e-9f31-8b7c60c0c70c', 'lost', 'lost', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 20:26:56.506773+00', 'lease_expired', '2026-11-21 20:26:54.410648+00', '2026-11-21 20:26:54.449406+00', NULL, false, 1, 14, '22c1f79d4a841240'),
	('2d5bae19-424e-432a-b90f-38b91b2699d5', 'repeated', 'repeated', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 20:26:56.607817+00', 'lease_expired', '2026-11-21 20:26:54.53112+00', NULL, NULL, false, 11, 15, 'e5eefa8aea01fa72');
INSERT INTO public.journal VALUES
	(1, 0, 'component', 'lost', NULL, '{"component_id":"lost","component_name":"Lost","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:26:54.410648Z","revision":1}', '{"reason":"registered"}', '351cbe28-84de-47ee-8e42-960cfe4f886d', '2026-11-21 20:26:54.410648+00'),
	(1, 1, 'instance', 'ba56b27f-2404-433e-9f31-8b7c60c0c70c', NULL, '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.410648Z","reason":"registered","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"reason":"registered"}', '351cbe28-84de-47ee-8e42-960cfe4f886d', '2026-11-21 20:26:54.410648+00'),
	(2, 0, 'instance', 'ba56b27f-2404-433e-9f31-8b7c60c0c70c', '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.410648Z","reason":"registered","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T20:26:54.449406Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', '63132bb2-ac99-419d-903e-369da6e9cdf9', '2026-11-21 20:26:54.449406+00'),
	(2, 1, 'instance', 'ba56b27f-2404-433e-9f31-8b7c60c0c70c', '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T20:26:54.449406Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T20:26:54.449406Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', '63132bb2-ac99-419d-903e-369da6e9cdf9', '2026-11-21 20:26:54.449406+00'),
	(2, 2, 'instance', 'ba56b27f-2404-433e-9f31-8b7c60c0c70c', '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T20:26:54.449406Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T20:26:54.449406Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":"2026-11-21T20:26:54.449406Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat"}', '63132bb2-ac99-419d-903e-369da6e9cdf9', '2026-11-21 20:26:54.449406+00'),
	(3, 0, 'component', 'kept', NULL, '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T20:26:54.460913Z","revision":3}', '{"reason":"registered"}', '1da8aff0-f1d6-424d-ad45-640516eb8753', '2026-11-21 20:26:54.460913+00'),
	(3, 1, 'instance', 'f55abb2e-b6de-4c6d-89f5-119ba7c94ad2', NULL, '{"instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.460913Z","reason":"registered","registered_at":"2026-11-21T20:26:54.460913Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"reason":"registered"}', '1da8aff0-f1d6-424d-ad45-640516eb8753', '2026-11-21 20:26:54.460913+00'),
	(4, 0, 'component', 'renewed', NULL, '{"component_id":"renewed","component_name":"Renewed","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:26:54.473786Z","revision":4}', '{"reason":"registered"}', '05d1c8af-9412-4714-ae01-b0792e75ede9', '2026-11-21 20:26:54.473786+00'),
	(4, 1, 'instance', '37b36fa9-8089-4ed2-87b9-0008bfe22c48', NULL, '{"instance_uuid":"37b36fa9-8089-4ed2-87b9-0008bfe22c48","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.473786Z","reason":"registered","registered_at":"2026-11-21T20:26:54.473786Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '05d1c8af-9412-4714-ae01-b0792e75ede9', '2026-11-21 20:26:54.473786+00'),
	(5, 0, 'instance', '37b36fa9-8089-4ed2-87b9-0008bfe22c48', '{"instance_uuid":"37b36fa9-8089-4ed2-87b9-0008bfe22c48","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.473786Z","reason":"registered","registered_at":"2026-11-21T20:26:54.473786Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"37b36fa9-8089-4ed2-87b9-0008bfe22c48","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T20:26:54.482641Z","reason":"superseded","registered_at":"2026-11-21T20:26:54.473786Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', '4acb8bef-5dd9-41e8-858f-addfdd9f77c7', '2026-11-21 20:26:54.482641+00'),
	(5, 1, 'instance', '37b36fa9-8089-4ed2-87b9-0008bfe22c48', '{"instance_uuid":"37b36fa9-8089-4ed2-87b9-0008bfe22c48","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T20:26:54.482641Z","reason":"superseded","registered_at":"2026-11-21T20:26:54.473786Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"37b36fa9-8089-4ed2-87b9-0008bfe22c48","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T20:26:54.482641Z","reason":"superseded","registered_at":"2026-11-21T20:26:54.473786Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', '4acb8bef-5dd9-41e8-858f-addfdd9f77c7', '2026-11-21 20:26:54.482641+00'),
	(11, 1, 'instance', '2d5bae19-424e-432a-b90f-38b91b2699d5', NULL, '{"instance_uuid":"2d5bae19-424e-432a-b90f-38b91b2699d5","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.531120Z","reason":"registered","registered_at":"2026-11-21T20:26:54.531120Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"registered"}', 'd686eba6-07f0-49a7-ac71-ca7d026e9cf8', '2026-11-21 20:26:54.53112+00'),
	(5, 2, 'instance', '37b36fa9-8089-4ed2-87b9-0008bfe22c48', '{"instance_uuid":"37b36fa9-8089-4ed2-87b9-0008bfe22c48","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T20:26:54.482641Z","reason":"superseded","registered_at":"2026-11-21T20:26:54.473786Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"37b36fa9-8089-4ed2-87b9-0008bfe22c48","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopped","state_since":"2026-11-21T20:26:54.482641Z","reason":"superseded","registered_at":"2026-11-21T20:26:54.473786Z","ready_at":null,"ended_at":"2026-11-21T20:26:54.482641Z","leased":false,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","evidence":{"by":"renewed"}}', '4acb8bef-5dd9-41e8-858f-addfdd9f77c7', '2026-11-21 20:26:54.482641+00'),
	(5, 3, 'instance', 'bb549f54-2e20-4150-b573-e7e481ee2762', NULL, '{"instance_uuid":"bb549f54-2e20-4150-b573-e7e481ee2762","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.482641Z","reason":"registered","registered_at":"2026-11-21T20:26:54.482641Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '4acb8bef-5dd9-41e8-858f-addfdd9f77c7', '2026-11-21 20:26:54.482641+00'),
	(6, 0, 'component', 'gone', NULL, '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:26:54.491246Z","revision":6}', '{"reason":"registered"}', '0763deb5-21c9-4762-9efe-f9b2d8e79d43', '2026-11-21 20:26:54.491246+00'),
	(6, 1, 'instance', 'c6b6980e-0a91-47fd-89a5-ed7c2f0850fe', NULL, '{"instance_uuid":"c6b6980e-0a91-47fd-89a5-ed7c2f0850fe","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.491246Z","reason":"registered","registered_at":"2026-11-21T20:26:54.491246Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"registered"}', '0763deb5-21c9-4762-9efe-f9b2d8e79d43', '2026-11-21 20:26:54.491246+00'),
	(7, 0, 'instance', 'c6b6980e-0a91-47fd-89a5-ed7c2f0850fe', '{"instance_uuid":"c6b6980e-0a91-47fd-89a5-ed7c2f0850fe","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.491246Z","reason":"registered","registered_at":"2026-11-21T20:26:54.491246Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"c6b6980e-0a91-47fd-89a5-ed7c2f0850fe","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T20:26:54.499326Z","reason":"removed","registered_at":"2026-11-21T20:26:54.491246Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '4daa7db1-0e53-4272-830e-0ab3061b3409', '2026-11-21 20:26:54.499326+00'),
	(7, 1, 'instance', 'c6b6980e-0a91-47fd-89a5-ed7c2f0850fe', '{"instance_uuid":"c6b6980e-0a91-47fd-89a5-ed7c2f0850fe","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T20:26:54.499326Z","reason":"removed","registered_at":"2026-11-21T20:26:54.491246Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"c6b6980e-0a91-47fd-89a5-ed7c2f0850fe","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T20:26:54.499326Z","reason":"removed","registered_at":"2026-11-21T20:26:54.491246Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '4daa7db1-0e53-4272-830e-0ab3061b3409', '2026-11-21 20:26:54.499326+00'),
	(7, 2, 'instance', 'c6b6980e-0a91-47fd-89a5-ed7c2f0850fe', '{"instance_uuid":"c6b6980e-0a91-47fd-89a5-ed7c2f0850fe","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T20:26:54.499326Z","reason":"removed","registered_at":"2026-11-21T20:26:54.491246Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"c6b6980e-0a91-47fd-89a5-ed7c2f0850fe","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T20:26:54.499326Z","reason":"removed","registered_at":"2026-11-21T20:26:54.491246Z","ready_at":null,"ended_at":"2026-11-21T20:26:54.499326Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed"}', '4daa7db1-0e53-4272-830e-0ab3061b3409', '2026-11-21 20:26:54.499326+00'),
	(7, 3, 'instance', 'c6b6980e-0a91-47fd-89a5-ed7c2f0850fe', '{"instance_uuid":"c6b6980e-0a91-47fd-89a5-ed7c2f0850fe","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T20:26:54.499326Z","reason":"removed","registered_at":"2026-11-21T20:26:54.491246Z","ready_at":null,"ended_at":"2026-11-21T20:26:54.499326Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', NULL, '{"reason":"removed"}', '4daa7db1-0e53-4272-830e-0ab3061b3409', '2026-11-21 20:26:54.499326+00'),
	(7, 4, 'component', 'gone', '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:26:54.491246Z","revision":6}', NULL, '{"reason":"removed"}', '4daa7db1-0e53-4272-830e-0ab3061b3409', '2026-11-21 20:26:54.499326+00'),
	(8, 0, 'component', 'kept', '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T20:26:54.460913Z","revision":3}', '{"component_id":"kept","component_name":"Kept, and renamed","component_type":"ui","capabilities":["search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T20:26:54.460913Z","revision":8}', '{"reason":"updated"}', '16c49cd7-56ad-404d-8d77-f07a02acb5e3', '2026-11-21 20:26:54.509106+00'),
	(9, 0, 'command', 'a50a3a2e-2288-5fbf-8350-5d80eaf18317', NULL, '{"command_id":"a50a3a2e-2288-5fbf-8350-5d80eaf18317","component_id":"kept","instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T20:26:54.516853Z","deadline":"2026-11-21T20:26:55.516853Z","state":"pending","message":"","revision":9}', '{"reason":"posted"}', '55040b2d-c0e6-401f-a483-a5883093c667', '2026-11-21 20:26:54.516853+00'),
	(10, 0, 'command', 'a50a3a2e-2288-5fbf-8350-5d80eaf18317', '{"command_id":"a50a3a2e-2288-5fbf-8350-5d80eaf18317","component_id":"kept","instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T20:26:54.516853Z","deadline":"2026-11-21T20:26:55.516853Z","state":"pending","message":"","revision":9}', '{"command_id":"a50a3a2e-2288-5fbf-8350-5d80eaf18317","component_id":"kept","instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T20:26:54.516853Z","deadline":"2026-11-21T20:26:55.516853Z","state":"accepted","message":"","revision":10}', '{"reason":"acknowledged"}', 'e9714a04-1fd1-4105-bb10-33317985aeb4', '2026-11-21 20:26:54.5251+00'),
	(11, 0, 'component', 'repeated', NULL, '{"component_id":"repeated","component_name":"Asked twice","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:26:54.531120Z","revision":11}', '{"reason":"registered"}', 'd686eba6-07f0-49a7-ac71-ca7d026e9cf8', '2026-11-21 20:26:54.53112+00'),
	(12, 0, 'instance', 'f55abb2e-b6de-4c6d-89f5-119ba7c94ad2', '{"instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.460913Z","reason":"registered","registered_at":"2026-11-21T20:26:54.460913Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T20:26:54.752016Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.460913Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', '5d348f0c-a029-45eb-8d47-c2389b8226e3', '2026-11-21 20:26:54.752016+00'),
	(12, 1, 'instance', 'f55abb2e-b6de-4c6d-89f5-119ba7c94ad2', '{"instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T20:26:54.752016Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.460913Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T20:26:54.752016Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.460913Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', '5d348f0c-a029-45eb-8d47-c2389b8226e3', '2026-11-21 20:26:54.752016+00'),
	(12, 2, 'instance', 'f55abb2e-b6de-4c6d-89f5-119ba7c94ad2', '{"instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T20:26:54.752016Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.460913Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"f55abb2e-b6de-4c6d-89f5-119ba7c94ad2","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"ready","state_since":"2026-11-21T20:26:54.752016Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.460913Z","ready_at":"2026-11-21T20:26:54.752016Z","ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat"}', '5d348f0c-a029-45eb-8d47-c2389b8226e3', '2026-11-21 20:26:54.752016+00'),
	(13, 0, 'instance', 'bb549f54-2e20-4150-b573-e7e481ee2762', '{"instance_uuid":"bb549f54-2e20-4150-b573-e7e481ee2762","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.482641Z","reason":"registered","registered_at":"2026-11-21T20:26:54.482641Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"bb549f54-2e20-4150-b573-e7e481ee2762","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T20:26:54.763931Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.482641Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', '7f6c5df2-cd43-43ba-a565-3d2e3efb8770', '2026-11-21 20:26:54.763931+00'),
	(13, 1, 'instance', 'bb549f54-2e20-4150-b573-e7e481ee2762', '{"instance_uuid":"bb549f54-2e20-4150-b573-e7e481ee2762","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T20:26:54.763931Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.482641Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"bb549f54-2e20-4150-b573-e7e481ee2762","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T20:26:54.763931Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.482641Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', '7f6c5df2-cd43-43ba-a565-3d2e3efb8770', '2026-11-21 20:26:54.763931+00'),
	(13, 2, 'instance', 'bb549f54-2e20-4150-b573-e7e481ee2762', '{"instance_uuid":"bb549f54-2e20-4150-b573-e7e481ee2762","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T20:26:54.763931Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.482641Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"bb549f54-2e20-4150-b573-e7e481ee2762","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"ready","state_since":"2026-11-21T20:26:54.763931Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.482641Z","ready_at":"2026-11-21T20:26:54.763931Z","ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat"}', '7f6c5df2-cd43-43ba-a565-3d2e3efb8770', '2026-11-21 20:26:54.763931+00'),
	(14, 0, 'instance', 'ba56b27f-2404-433e-9f31-8b7c60c0c70c', '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T20:26:54.449406Z","reason":"heartbeat","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":"2026-11-21T20:26:54.449406Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"ba56b27f-2404-433e-9f31-8b7c60c0c70c","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T20:26:56.506773Z","reason":"lease_expired","registered_at":"2026-11-21T20:26:54.410648Z","ready_at":"2026-11-21T20:26:54.449406Z","ended_at":null,"leased":false,"granted":1,"revision":14,"fingerprint":"22c1f79d4a841240"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T20:26:54.448798Z","silent_seconds":2.057,"timeout_seconds":2.0,"stream":"closed"}}', '830c2307-99df-4bd2-8b06-50c495d65c50', '2026-11-21 20:26:56.506773+00'),
	(15, 0, 'instance', '2d5bae19-424e-432a-b90f-38b91b2699d5', '{"instance_uuid":"2d5bae19-424e-432a-b90f-38b91b2699d5","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.531120Z","reason":"registered","registered_at":"2026-11-21T20:26:54.531120Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"instance_uuid":"2d5bae19-424e-432a-b90f-38b91b2699d5","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T20:26:56.607817Z","reason":"lease_expired","registered_at":"2026-11-21T20:26:54.531120Z","ready_at":null,"ended_at":null,"leased":false,"granted":11,"revision":15,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T20:26:54.531120Z","silent_seconds":2.073,"timeout_seconds":2.0,"stream":"closed"}}', '4ab867d8-e8c1-42ac-a430-270ec7df1d9a', '2026-11-21 20:26:56.607817+00');
INSERT INTO public.leases VALUES
	('2d5bae19-424e-432a-b90f-38b91b2699d5', '26575bf3-7627-47e1-b386-2c15795d421a', 0, '2026-11-21 20:26:54.53112+00', NULL, 1, 770, '26575bf3-7627-47e1-b386-2c15795d421a'),
	('37b36fa9-8089-4ed2-87b9-0008bfe22c48', '26575bf3-7627-47e1-b386-2c15795d421a', 0, '2026-11-21 20:26:54.473786+00', NULL, 1, 770, '26575bf3-7627-47e1-b386-2c15795d421a'),
	('ba56b27f-2404-433e-9f31-8b7c60c0c70c', '26575bf3-7627-47e1-b386-2c15795d421a', 0, '2026-11-21 20:26:54.448798+00', NULL, 1, 770, '26575bf3-7627-47e1-b386-2c15795d421a'),
	('bb549f54-2e20-4150-b573-e7e481ee2762', '26575bf3-7627-47e1-b386-2c15795d421a', 0, '2026-11-21 20:26:56.692238+00', NULL, 6, 793, '26575bf3-7627-47e1-b386-2c15795d421a'),
	('f55abb2e-b6de-4c6d-89f5-119ba7c94ad2', '26575bf3-7627-47e1-b386-2c15795d421a', 0, '2026-11-21 20:26:56.687294+00', NULL, 6, 793, '26575bf3-7627-47e1-b386-2c15795d421a');
INSERT INTO public.requests VALUES
	('', 'RegisterComponentRequest', 'the-same-request', '3a39f4693cb01679c721567f2748e065', '{"instance":{"instance_uuid":"2d5bae19-424e-432a-b90f-38b91b2699d5","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:26:54.531120Z","reason":"registered","registered_at":"2026-11-21T20:26:54.531120Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"},"created":true}', '2026-11-21 20:26:54.532818+00');
INSERT INTO public.tombstones VALUES
	('c6b6980e-0a91-47fd-89a5-ed7c2f0850fe', 'gone', 'removed', '2026-11-21 20:26:54.500227+00');
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (command_id);
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.histories
    ADD CONSTRAINT histories_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_pkey PRIMARY KEY (instance_uuid);
ALTER TABLE ONLY public.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (revision, idx);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (instance_uuid);
ALTER TABLE ONLY public.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (principal, rpc, request_id);
ALTER TABLE ONLY public.servers
    ADD CONSTRAINT servers_pkey PRIMARY KEY (server_id);
ALTER TABLE ONLY public.switches
    ADD CONSTRAINT switches_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (instance_uuid);
CREATE INDEX journal_component_idx ON public.journal USING btree (replace((new ->> 'component_id'::text), '-'::text, '_'::text), revision, idx) WHERE ((kind = 'instance'::text) AND (new IS NOT NULL));
CREATE INDEX requests_recorded_at_idx ON public.requests USING btree (recorded_at);
CREATE INDEX tombstones_recorded_at_idx ON public.tombstones USING btree (recorded_at);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_key_fkey FOREIGN KEY (key) REFERENCES public.components(key);
