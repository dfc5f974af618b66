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
CREATE TABLE public.error_reports (
    id bigint NOT NULL,
    key text NOT NULL,
    component_id text NOT NULL,
    instance_uuid uuid NOT NULL,
    error_type text NOT NULL,
    message text NOT NULL,
    code text NOT NULL,
    at timestamp with time zone NOT NULL,
    stack_trace text NOT NULL,
    context json NOT NULL,
    reported_at timestamp with time zone NOT NULL
);
ALTER TABLE public.error_reports ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.error_reports_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
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
    CONSTRAINT journal_kind_check CHECK ((kind = ANY (ARRAY['component'::text, 'instance'::text, 'command'::text, 'launch'::text, 'constraints'::text]))),
    CONSTRAINT journal_revision_check CHECK ((revision > 0))
);
CREATE TABLE public.launches (
    key text NOT NULL,
    component_id text NOT NULL,
    epoch bigint NOT NULL,
    instance_uuid uuid NOT NULL,
    server_id uuid NOT NULL,
    host text NOT NULL,
    place text NOT NULL,
    desired text NOT NULL,
    phase text NOT NULL,
    restart_count integer NOT NULL,
    restarts timestamp with time zone[] NOT NULL,
    next_attempt_at timestamp with time zone,
    last_exit text NOT NULL,
    stop_by timestamp with time zone,
    force boolean NOT NULL,
    since timestamp with time zone NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT launches_desired_check CHECK ((desired = ANY (ARRAY['running'::text, 'stopped'::text]))),
    CONSTRAINT launches_phase_check CHECK ((phase = ANY (ARRAY['claimed'::text, 'running'::text, 'stopping'::text, 'backoff'::text, 'gave_up'::text, 'ended'::text])))
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
CREATE TABLE public.machines (
    server_id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    figures json NOT NULL
);
CREATE TABLE public.requests (
    principal text NOT NULL,
    rpc text NOT NULL,
    request_id text NOT NULL,
    body_hash text NOT NULL,
    reply text NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.resource_constraints (
    key text NOT NULL,
    component_id text NOT NULL,
    cpu_limit double precision,
    memory_limit double precision,
    gpu_limit double precision,
    updated_at timestamp with time zone NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT resource_constraints_limits_check CHECK (((cpu_limit > (0)::double precision) AND (memory_limit > (0)::double precision) AND (gpu_limit >= (0)::double precision)))
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
CREATE TABLE public.usage_samples (
    instance_uuid uuid NOT NULL,
    slot timestamp with time zone NOT NULL,
    at timestamp with time zone NOT NULL,
    server_id uuid NOT NULL,
    usage json NOT NULL
);
INSERT INTO public.alembic_version VALUES
	('0004');
INSERT INTO public.commands VALUES
	('2a847816-1a7b-5050-b2e4-7a9026b4f2fb', 'kept', '4b4da875-d18f-4f11-b478-9b7af75eac7e', 3, 'reload', '{}', '2026-11-21 22:35:38.259015+00', '2026-11-21 22:35:39.259015+00', 'accepted', '', 10);
INSERT INTO public.components VALUES
	('lost', 'lost', 'Lost', 'ui', '{}', '{}', '', '{}', '2026-11-21 22:35:38.164085+00', 1),
	('renewed', 'renewed', 'Renewed', 'ui', '{}', '{}', '', '{}', '2026-11-21 22:35:38.205872+00', 4),
	('kept', 'kept', 'Kept, and renamed', 'ui', '{search}', '{lost}', '', '{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}}', '2026-11-21 22:35:38.200848+00', 8),
	('repeated', 'repeated', 'Asked twice', 'ui', '{}', '{}', '', '{}', '2026-11-21 22:35:38.274797+00', 11);
INSERT INTO public.histories VALUES
	(true, '62571dc0', '2026-11-21 22:35:37.340688+00');
INSERT INTO public.instances VALUES
	('9ce064d2-2bed-4819-b688-6a1a13e60e0a', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'stopped', '2026-11-21 22:35:38.212819+00', 'superseded', '2026-11-21 22:35:38.205872+00', NULL, '2026-11-21 22:35:38.212819+00', false, 4, 5, '675172cf4741f8de'),
	('4b4da875-d18f-4f11-b478-9b7af75eac7e', 'kept', 'kept', '1.0.0', 'host-1', 8500, '', 'ready', '2026-11-21 22:35:38.484394+00', 'heartbeat', '2026-11-21 22:35:38.200848+00', '2026-11-21 22:35:38.484394+00', NULL, true, 3, 12, '4608d2c8736eadca'),
	('37a660fd-ffd1-44d7-8ce4-e63b15ec0011', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'ready', '2026-11-21 22:35:38.489908+00', 'heartbeat', '2026-11-21 22:35:38.212819+00', '2026-11-21 22:35:38.489908+00', NULL, true, 5, 13, '675172cf4741f8de'),
	('b97721a4-0374-4196-b42a-098beade4a3f', 'lost', 'lost', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 22:35:40.264694+00', 'lease_expired', '2026-11-21 22:35:38.164085+00', '2026-11-21 22:35:38.190308+00', NULL, false, 1, 14, '22c1f79d4a841240'),
	('4b53ffe6-4a7d-4851-ba70-aec7dcd73411', 'repeated', 'repeated', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 22:35:40.365984+00', 'lease_expired', '2026-11-21 22:35:38.274797+00', NULL, NULL, false, 11, 15, 'e5eefa8aea01fa72');
INSERT INTO public.journal VALUES
	(1, 0, 'component', 'lost', NULL, '{"component_id":"lost","component_name":"Lost","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:35:38.164085Z","revision":1}', '{"reason":"registered"}', 'f284c88d-313e-4747-9789-3cc126065b28', '2026-11-21 22:35:38.164085+00'),
	(1, 1, 'instance', 'b97721a4-0374-4196-b42a-098beade4a3f', NULL, '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.164085Z","reason":"registered","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"reason":"registered"}', 'f284c88d-313e-4747-9789-3cc126065b28', '2026-11-21 22:35:38.164085+00'),
	(2, 0, 'instance', 'b97721a4-0374-4196-b42a-098beade4a3f', '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.164085Z","reason":"registered","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T22:35:38.190308Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', 'db282704-827f-43b1-95fd-0894f2e5105b', '2026-11-21 22:35:38.190308+00'),
	(2, 1, 'instance', 'b97721a4-0374-4196-b42a-098beade4a3f', '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T22:35:38.190308Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T22:35:38.190308Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', 'db282704-827f-43b1-95fd-0894f2e5105b', '2026-11-21 22:35:38.190308+00'),
	(2, 2, 'instance', 'b97721a4-0374-4196-b42a-098beade4a3f', '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T22:35:38.190308Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T22:35:38.190308Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":"2026-11-21T22:35:38.190308Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat"}', 'db282704-827f-43b1-95fd-0894f2e5105b', '2026-11-21 22:35:38.190308+00'),
	(3, 0, 'component', 'kept', NULL, '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T22:35:38.200848Z","revision":3}', '{"reason":"registered"}', 'e7188cb4-46e9-4b41-9660-462584ff4b8a', '2026-11-21 22:35:38.200848+00'),
	(3, 1, 'instance', '4b4da875-d18f-4f11-b478-9b7af75eac7e', NULL, '{"instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.200848Z","reason":"registered","registered_at":"2026-11-21T22:35:38.200848Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"reason":"registered"}', 'e7188cb4-46e9-4b41-9660-462584ff4b8a', '2026-11-21 22:35:38.200848+00'),
	(4, 0, 'component', 'renewed', NULL, '{"component_id":"renewed","component_name":"Renewed","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:35:38.205872Z","revision":4}', '{"reason":"registered"}', '34d9bf4c-d811-4949-9faa-28a34b409988', '2026-11-21 22:35:38.205872+00'),
	(4, 1, 'instance', '9ce064d2-2bed-4819-b688-6a1a13e60e0a', NULL, '{"instance_uuid":"9ce064d2-2bed-4819-b688-6a1a13e60e0a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.205872Z","reason":"registered","registered_at":"2026-11-21T22:35:38.205872Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '34d9bf4c-d811-4949-9faa-28a34b409988', '2026-11-21 22:35:38.205872+00'),
	(5, 0, 'instance', '9ce064d2-2bed-4819-b688-6a1a13e60e0a', '{"instance_uuid":"9ce064d2-2bed-4819-b688-6a1a13e60e0a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.205872Z","reason":"registered","registered_at":"2026-11-21T22:35:38.205872Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"9ce064d2-2bed-4819-b688-6a1a13e60e0a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T22:35:38.212819Z","reason":"superseded","registered_at":"2026-11-21T22:35:38.205872Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', '083ca0c2-183f-48ef-86d0-ac7ece6045e3', '2026-11-21 22:35:38.212819+00'),
	(5, 1, 'instance', '9ce064d2-2bed-4819-b688-6a1a13e60e0a', '{"instance_uuid":"9ce064d2-2bed-4819-b688-6a1a13e60e0a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T22:35:38.212819Z","reason":"superseded","registered_at":"2026-11-21T22:35:38.205872Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"9ce064d2-2bed-4819-b688-6a1a13e60e0a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T22:35:38.212819Z","reason":"superseded","registered_at":"2026-11-21T22:35:38.205872Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', '083ca0c2-183f-48ef-86d0-ac7ece6045e3', '2026-11-21 22:35:38.212819+00'),
	(11, 1, 'instance', '4b53ffe6-4a7d-4851-ba70-aec7dcd73411', NULL, '{"instance_uuid":"4b53ffe6-4a7d-4851-ba70-aec7dcd73411","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.274797Z","reason":"registered","registered_at":"2026-11-21T22:35:38.274797Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"registered"}', 'd819dcc4-3d7c-4f61-8449-3ae4c9ce7e18', '2026-11-21 22:35:38.274797+00'),
	(5, 2, 'instance', '9ce064d2-2bed-4819-b688-6a1a13e60e0a', '{"instance_uuid":"9ce064d2-2bed-4819-b688-6a1a13e60e0a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T22:35:38.212819Z","reason":"superseded","registered_at":"2026-11-21T22:35:38.205872Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"9ce064d2-2bed-4819-b688-6a1a13e60e0a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopped","state_since":"2026-11-21T22:35:38.212819Z","reason":"superseded","registered_at":"2026-11-21T22:35:38.205872Z","ready_at":null,"ended_at":"2026-11-21T22:35:38.212819Z","leased":false,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","evidence":{"by":"renewed"}}', '083ca0c2-183f-48ef-86d0-ac7ece6045e3', '2026-11-21 22:35:38.212819+00'),
	(5, 3, 'instance', '37a660fd-ffd1-44d7-8ce4-e63b15ec0011', NULL, '{"instance_uuid":"37a660fd-ffd1-44d7-8ce4-e63b15ec0011","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.212819Z","reason":"registered","registered_at":"2026-11-21T22:35:38.212819Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '083ca0c2-183f-48ef-86d0-ac7ece6045e3', '2026-11-21 22:35:38.212819+00'),
	(6, 0, 'component', 'gone', NULL, '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:35:38.219244Z","revision":6}', '{"reason":"registered"}', 'a93220b5-1daa-4897-a5d0-bf4b2e22a4ea', '2026-11-21 22:35:38.219244+00'),
	(6, 1, 'instance', '406bae87-6e3d-4f61-a948-813a73dc5d89', NULL, '{"instance_uuid":"406bae87-6e3d-4f61-a948-813a73dc5d89","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.219244Z","reason":"registered","registered_at":"2026-11-21T22:35:38.219244Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"registered"}', 'a93220b5-1daa-4897-a5d0-bf4b2e22a4ea', '2026-11-21 22:35:38.219244+00'),
	(7, 0, 'instance', '406bae87-6e3d-4f61-a948-813a73dc5d89', '{"instance_uuid":"406bae87-6e3d-4f61-a948-813a73dc5d89","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.219244Z","reason":"registered","registered_at":"2026-11-21T22:35:38.219244Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"406bae87-6e3d-4f61-a948-813a73dc5d89","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T22:35:38.239260Z","reason":"removed","registered_at":"2026-11-21T22:35:38.219244Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', 'bf059b74-17a2-4c3d-8970-5db9746fda13', '2026-11-21 22:35:38.23926+00'),
	(7, 1, 'instance', '406bae87-6e3d-4f61-a948-813a73dc5d89', '{"instance_uuid":"406bae87-6e3d-4f61-a948-813a73dc5d89","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T22:35:38.239260Z","reason":"removed","registered_at":"2026-11-21T22:35:38.219244Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"406bae87-6e3d-4f61-a948-813a73dc5d89","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T22:35:38.239260Z","reason":"removed","registered_at":"2026-11-21T22:35:38.219244Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', 'bf059b74-17a2-4c3d-8970-5db9746fda13', '2026-11-21 22:35:38.23926+00'),
	(7, 2, 'instance', '406bae87-6e3d-4f61-a948-813a73dc5d89', '{"instance_uuid":"406bae87-6e3d-4f61-a948-813a73dc5d89","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T22:35:38.239260Z","reason":"removed","registered_at":"2026-11-21T22:35:38.219244Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"406bae87-6e3d-4f61-a948-813a73dc5d89","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T22:35:38.239260Z","reason":"removed","registered_at":"2026-11-21T22:35:38.219244Z","ready_at":null,"ended_at":"2026-11-21T22:35:38.239260Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed"}', 'bf059b74-17a2-4c3d-8970-5db9746fda13', '2026-11-21 22:35:38.23926+00'),
	(7, 3, 'instance', '406bae87-6e3d-4f61-a948-813a73dc5d89', '{"instance_uuid":"406bae87-6e3d-4f61-a948-813a73dc5d89","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T22:35:38.239260Z","reason":"removed","registered_at":"2026-11-21T22:35:38.219244Z","ready_at":null,"ended_at":"2026-11-21T22:35:38.239260Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', NULL, '{"reason":"removed"}', 'bf059b74-17a2-4c3d-8970-5db9746fda13', '2026-11-21 22:35:38.23926+00'),
	(7, 4, 'component', 'gone', '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:35:38.219244Z","revision":6}', NULL, '{"reason":"removed"}', 'bf059b74-17a2-4c3d-8970-5db9746fda13', '2026-11-21 22:35:38.23926+00'),
	(8, 0, 'component', 'kept', '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T22:35:38.200848Z","revision":3}', '{"component_id":"kept","component_name":"Kept, and renamed","component_type":"ui","capabilities":["search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T22:35:38.200848Z","revision":8}', '{"reason":"updated"}', '648779dc-a821-4e55-8122-a40f2c39c828', '2026-11-21 22:35:38.252506+00'),
	(9, 0, 'command', '2a847816-1a7b-5050-b2e4-7a9026b4f2fb', NULL, '{"command_id":"2a847816-1a7b-5050-b2e4-7a9026b4f2fb","component_id":"kept","instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T22:35:38.259015Z","deadline":"2026-11-21T22:35:39.259015Z","state":"pending","message":"","revision":9}', '{"reason":"posted"}', '8784f30a-755f-4c35-b5e8-1a971d883c52', '2026-11-21 22:35:38.259015+00'),
	(10, 0, 'command', '2a847816-1a7b-5050-b2e4-7a9026b4f2fb', '{"command_id":"2a847816-1a7b-5050-b2e4-7a9026b4f2fb","component_id":"kept","instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T22:35:38.259015Z","deadline":"2026-11-21T22:35:39.259015Z","state":"pending","message":"","revision":9}', '{"command_id":"2a847816-1a7b-5050-b2e4-7a9026b4f2fb","component_id":"kept","instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T22:35:38.259015Z","deadline":"2026-11-21T22:35:39.259015Z","state":"accepted","message":"","revision":10}', '{"reason":"acknowledged"}', 'dcc8bab8-922d-47d2-88b3-22dc61744086', '2026-11-21 22:35:38.267925+00'),
	(11, 0, 'component', 'repeated', NULL, '{"component_id":"repeated","component_name":"Asked twice","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:35:38.274797Z","revision":11}', '{"reason":"registered"}', 'd819dcc4-3d7c-4f61-8449-3ae4c9ce7e18', '2026-11-21 22:35:38.274797+00'),
	(12, 0, 'instance', '4b4da875-d18f-4f11-b478-9b7af75eac7e', '{"instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.200848Z","reason":"registered","registered_at":"2026-11-21T22:35:38.200848Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T22:35:38.484394Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.200848Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'c7d81fe0-29ca-4b5c-b8e4-585f9889f3e8', '2026-11-21 22:35:38.484394+00'),
	(12, 1, 'instance', '4b4da875-d18f-4f11-b478-9b7af75eac7e', '{"instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T22:35:38.484394Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.200848Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T22:35:38.484394Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.200848Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'c7d81fe0-29ca-4b5c-b8e4-585f9889f3e8', '2026-11-21 22:35:38.484394+00'),
	(12, 2, 'instance', '4b4da875-d18f-4f11-b478-9b7af75eac7e', '{"instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T22:35:38.484394Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.200848Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"4b4da875-d18f-4f11-b478-9b7af75eac7e","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"ready","state_since":"2026-11-21T22:35:38.484394Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.200848Z","ready_at":"2026-11-21T22:35:38.484394Z","ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat"}', 'c7d81fe0-29ca-4b5c-b8e4-585f9889f3e8', '2026-11-21 22:35:38.484394+00'),
	(13, 0, 'instance', '37a660fd-ffd1-44d7-8ce4-e63b15ec0011', '{"instance_uuid":"37a660fd-ffd1-44d7-8ce4-e63b15ec0011","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.212819Z","reason":"registered","registered_at":"2026-11-21T22:35:38.212819Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"37a660fd-ffd1-44d7-8ce4-e63b15ec0011","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T22:35:38.489908Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.212819Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', '72f18063-8f71-476f-bb25-4f808680c636', '2026-11-21 22:35:38.489908+00'),
	(13, 1, 'instance', '37a660fd-ffd1-44d7-8ce4-e63b15ec0011', '{"instance_uuid":"37a660fd-ffd1-44d7-8ce4-e63b15ec0011","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T22:35:38.489908Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.212819Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"37a660fd-ffd1-44d7-8ce4-e63b15ec0011","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T22:35:38.489908Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.212819Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', '72f18063-8f71-476f-bb25-4f808680c636', '2026-11-21 22:35:38.489908+00'),
	(13, 2, 'instance', '37a660fd-ffd1-44d7-8ce4-e63b15ec0011', '{"instance_uuid":"37a660fd-ffd1-44d7-8ce4-e63b15ec0011","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T22:35:38.489908Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.212819Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"37a660fd-ffd1-44d7-8ce4-e63b15ec0011","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"ready","state_since":"2026-11-21T22:35:38.489908Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.212819Z","ready_at":"2026-11-21T22:35:38.489908Z","ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat"}', '72f18063-8f71-476f-bb25-4f808680c636', '2026-11-21 22:35:38.489908+00'),
	(14, 0, 'instance', 'b97721a4-0374-4196-b42a-098beade4a3f', '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T22:35:38.190308Z","reason":"heartbeat","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":"2026-11-21T22:35:38.190308Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"b97721a4-0374-4196-b42a-098beade4a3f","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T22:35:40.264694Z","reason":"lease_expired","registered_at":"2026-11-21T22:35:38.164085Z","ready_at":"2026-11-21T22:35:38.190308Z","ended_at":null,"leased":false,"granted":1,"revision":14,"fingerprint":"22c1f79d4a841240"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T22:35:38.189851Z","silent_seconds":2.074,"timeout_seconds":2.0,"stream":"closed"}}', '9a372bcd-1626-4c86-a350-44d5d454b324', '2026-11-21 22:35:40.264694+00'),
	(15, 0, 'instance', '4b53ffe6-4a7d-4851-ba70-aec7dcd73411', '{"instance_uuid":"4b53ffe6-4a7d-4851-ba70-aec7dcd73411","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.274797Z","reason":"registered","registered_at":"2026-11-21T22:35:38.274797Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"instance_uuid":"4b53ffe6-4a7d-4851-ba70-aec7dcd73411","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T22:35:40.365984Z","reason":"lease_expired","registered_at":"2026-11-21T22:35:38.274797Z","ready_at":null,"ended_at":null,"leased":false,"granted":11,"revision":15,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T22:35:38.274797Z","silent_seconds":2.088,"timeout_seconds":2.0,"stream":"closed"}}', 'c45fb772-9821-4d8d-a216-44d3d4905080', '2026-11-21 22:35:40.365984+00');
INSERT INTO public.leases VALUES
	('b97721a4-0374-4196-b42a-098beade4a3f', '46187afd-f7ed-43c0-820b-ae4de67f318d', 0, '2026-11-21 22:35:38.189851+00', NULL, 1, 761, '46187afd-f7ed-43c0-820b-ae4de67f318d'),
	('4b53ffe6-4a7d-4851-ba70-aec7dcd73411', '46187afd-f7ed-43c0-820b-ae4de67f318d', 0, '2026-11-21 22:35:38.274797+00', NULL, 1, 776, '46187afd-f7ed-43c0-820b-ae4de67f318d'),
	('9ce064d2-2bed-4819-b688-6a1a13e60e0a', '46187afd-f7ed-43c0-820b-ae4de67f318d', 0, '2026-11-21 22:35:38.205872+00', NULL, 1, 776, '46187afd-f7ed-43c0-820b-ae4de67f318d'),
	('37a660fd-ffd1-44d7-8ce4-e63b15ec0011', '46187afd-f7ed-43c0-820b-ae4de67f318d', 0, '2026-11-21 22:35:40.474532+00', NULL, 5, 793, '46187afd-f7ed-43c0-820b-ae4de67f318d'),
	('4b4da875-d18f-4f11-b478-9b7af75eac7e', '46187afd-f7ed-43c0-820b-ae4de67f318d', 0, '2026-11-21 22:35:40.47134+00', NULL, 5, 793, '46187afd-f7ed-43c0-820b-ae4de67f318d');
INSERT INTO public.requests VALUES
	('', 'RegisterComponentRequest', 'the-same-request', '3a39f4693cb01679c721567f2748e065', '{"instance":{"instance_uuid":"4b53ffe6-4a7d-4851-ba70-aec7dcd73411","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:35:38.274797Z","reason":"registered","registered_at":"2026-11-21T22:35:38.274797Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"},"created":true}', '2026-11-21 22:35:38.276074+00');
INSERT INTO public.tombstones VALUES
	('406bae87-6e3d-4f61-a948-813a73dc5d89', 'gone', 'removed', '2026-11-21 22:35:38.239947+00');
SELECT pg_catalog.setval('public.error_reports_id_seq', 1, false);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (command_id);
ALTER TABLE ONLY public.components
    ADD CONSTRAINT components_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.error_reports
    ADD CONSTRAINT error_reports_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.histories
    ADD CONSTRAINT histories_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_pkey PRIMARY KEY (instance_uuid);
ALTER TABLE ONLY public.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (revision, idx);
ALTER TABLE ONLY public.launches
    ADD CONSTRAINT launches_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (instance_uuid);
ALTER TABLE ONLY public.machines
    ADD CONSTRAINT machines_pkey PRIMARY KEY (server_id);
ALTER TABLE ONLY public.requests
    ADD CONSTRAINT requests_pkey PRIMARY KEY (principal, rpc, request_id);
ALTER TABLE ONLY public.resource_constraints
    ADD CONSTRAINT resource_constraints_pkey PRIMARY KEY (key);
ALTER TABLE ONLY public.servers
    ADD CONSTRAINT servers_pkey PRIMARY KEY (server_id);
ALTER TABLE ONLY public.switches
    ADD CONSTRAINT switches_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (instance_uuid);
ALTER TABLE ONLY public.usage_samples
    ADD CONSTRAINT usage_samples_pkey PRIMARY KEY (instance_uuid, slot);
CREATE INDEX error_reports_key_idx ON public.error_reports USING btree (key, id);
CREATE INDEX journal_component_idx ON public.journal USING btree (replace((new ->> 'component_id'::text), '-'::text, '_'::text), revision, idx) WHERE ((kind = 'instance'::text) AND (new IS NOT NULL));
CREATE INDEX requests_recorded_at_idx ON public.requests USING btree (recorded_at);
CREATE INDEX tombstones_recorded_at_idx ON public.tombstones USING btree (recorded_at);
CREATE INDEX usage_samples_slot_idx ON public.usage_samples USING btree (slot);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_key_fkey FOREIGN KEY (key) REFERENCES public.components(key);
