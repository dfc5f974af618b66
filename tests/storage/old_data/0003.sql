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
    CONSTRAINT journal_kind_check CHECK ((kind = ANY (ARRAY['component'::text, 'instance'::text, 'command'::text, 'launch'::text]))),
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
	('0003');
INSERT INTO public.commands VALUES
	('d3876e9c-75c3-5ef8-897d-0a02230b1b9e', 'kept', 'cd8d16ca-34ef-40e8-b010-b267bf250846', 3, 'reload', '{}', '2026-11-21 21:17:36.206947+00', '2026-11-21 21:17:37.206947+00', 'accepted', '', 10);
INSERT INTO public.components VALUES
	('lost', 'lost', 'Lost', 'ui', '{}', '{}', '', '{}', '2026-11-21 21:17:36.099783+00', 1),
	('renewed', 'renewed', 'Renewed', 'ui', '{}', '{}', '', '{}', '2026-11-21 21:17:36.159039+00', 4),
	('kept', 'kept', 'Kept, and renamed', 'ui', '{search}', '{lost}', '', '{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}}', '2026-11-21 21:17:36.152067+00', 8),
	('repeated', 'repeated', 'Asked twice', 'ui', '{}', '{}', '', '{}', '2026-11-21 21:17:36.218649+00', 11);
INSERT INTO public.histories VALUES
	(true, '149e4e77', '2026-11-21 21:17:35.368317+00');
INSERT INTO public.instances VALUES
	('6b661ac6-b54f-4297-a5b6-df73aaaa4292', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'stopped', '2026-11-21 21:17:36.166873+00', 'superseded', '2026-11-21 21:17:36.159039+00', NULL, '2026-11-21 21:17:36.166873+00', false, 4, 5, '675172cf4741f8de'),
	('cd8d16ca-34ef-40e8-b010-b267bf250846', 'kept', 'kept', '1.0.0', 'host-1', 8500, '', 'ready', '2026-11-21 21:17:36.435926+00', 'heartbeat', '2026-11-21 21:17:36.152067+00', '2026-11-21 21:17:36.435926+00', NULL, true, 3, 12, '4608d2c8736eadca'),
	('f967bca0-4da6-44f4-a474-96dbb78ad687', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'ready', '2026-11-21 21:17:36.455943+00', 'heartbeat', '2026-11-21 21:17:36.166873+00', '2026-11-21 21:17:36.455943+00', NULL, true, 5, 13, '675172cf4741f8de'),
	('e26d7e1c-0e90-493c-a340-eaa7077093f2', 'lost', 'lost', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 21:17:38.218857+00', 'lease_expired', '2026-11-21 21:17:36.099783+00', '2026-11-21 21:17:36.145536+00', NULL, false, 1, 14, '22c1f79d4a841240'),
	('9f5d1004-4b27-401d-88bd-f6a3506ca4c0', 'repeated', 'repeated', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 21:17:38.320058+00', 'lease_expired', '2026-11-21 21:17:36.218649+00', NULL, NULL, false, 11, 15, 'e5eefa8aea01fa72');
INSERT INTO public.journal VALUES
	(1, 0, 'component', 'lost', NULL, '{"component_id":"lost","component_name":"Lost","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:17:36.099783Z","revision":1}', '{"reason":"registered"}', 'b3a81eed-6591-4394-a846-7954a4abea2b', '2026-11-21 21:17:36.099783+00'),
	(1, 1, 'instance', 'e26d7e1c-0e90-493c-a340-eaa7077093f2', NULL, '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.099783Z","reason":"registered","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"reason":"registered"}', 'b3a81eed-6591-4394-a846-7954a4abea2b', '2026-11-21 21:17:36.099783+00'),
	(2, 0, 'instance', 'e26d7e1c-0e90-493c-a340-eaa7077093f2', '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.099783Z","reason":"registered","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T21:17:36.145536Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', 'e0281c49-fd2f-4b03-a12b-abedb8a8f0b5', '2026-11-21 21:17:36.145536+00'),
	(2, 1, 'instance', 'e26d7e1c-0e90-493c-a340-eaa7077093f2', '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T21:17:36.145536Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T21:17:36.145536Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', 'e0281c49-fd2f-4b03-a12b-abedb8a8f0b5', '2026-11-21 21:17:36.145536+00'),
	(2, 2, 'instance', 'e26d7e1c-0e90-493c-a340-eaa7077093f2', '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T21:17:36.145536Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T21:17:36.145536Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":"2026-11-21T21:17:36.145536Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat"}', 'e0281c49-fd2f-4b03-a12b-abedb8a8f0b5', '2026-11-21 21:17:36.145536+00'),
	(3, 0, 'component', 'kept', NULL, '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T21:17:36.152067Z","revision":3}', '{"reason":"registered"}', 'edc84981-deac-4d74-916a-48052f2bfd30', '2026-11-21 21:17:36.152067+00'),
	(3, 1, 'instance', 'cd8d16ca-34ef-40e8-b010-b267bf250846', NULL, '{"instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.152067Z","reason":"registered","registered_at":"2026-11-21T21:17:36.152067Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"reason":"registered"}', 'edc84981-deac-4d74-916a-48052f2bfd30', '2026-11-21 21:17:36.152067+00'),
	(4, 0, 'component', 'renewed', NULL, '{"component_id":"renewed","component_name":"Renewed","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:17:36.159039Z","revision":4}', '{"reason":"registered"}', '6e44c8ee-3af7-4d67-88a3-0eed6f25058f', '2026-11-21 21:17:36.159039+00'),
	(4, 1, 'instance', '6b661ac6-b54f-4297-a5b6-df73aaaa4292', NULL, '{"instance_uuid":"6b661ac6-b54f-4297-a5b6-df73aaaa4292","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.159039Z","reason":"registered","registered_at":"2026-11-21T21:17:36.159039Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '6e44c8ee-3af7-4d67-88a3-0eed6f25058f', '2026-11-21 21:17:36.159039+00'),
	(5, 0, 'instance', '6b661ac6-b54f-4297-a5b6-df73aaaa4292', '{"instance_uuid":"6b661ac6-b54f-4297-a5b6-df73aaaa4292","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.159039Z","reason":"registered","registered_at":"2026-11-21T21:17:36.159039Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"6b661ac6-b54f-4297-a5b6-df73aaaa4292","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T21:17:36.166873Z","reason":"superseded","registered_at":"2026-11-21T21:17:36.159039Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', 'e3d4d3de-a2d6-4cda-9c8c-2050897e7dad', '2026-11-21 21:17:36.166873+00'),
	(5, 1, 'instance', '6b661ac6-b54f-4297-a5b6-df73aaaa4292', '{"instance_uuid":"6b661ac6-b54f-4297-a5b6-df73aaaa4292","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T21:17:36.166873Z","reason":"superseded","registered_at":"2026-11-21T21:17:36.159039Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"6b661ac6-b54f-4297-a5b6-df73aaaa4292","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T21:17:36.166873Z","reason":"superseded","registered_at":"2026-11-21T21:17:36.159039Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', 'e3d4d3de-a2d6-4cda-9c8c-2050897e7dad', '2026-11-21 21:17:36.166873+00'),
	(11, 1, 'instance', '9f5d1004-4b27-401d-88bd-f6a3506ca4c0', NULL, '{"instance_uuid":"9f5d1004-4b27-401d-88bd-f6a3506ca4c0","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.218649Z","reason":"registered","registered_at":"2026-11-21T21:17:36.218649Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"registered"}', '430f7c46-433a-46c6-b6d1-103cb8313c82', '2026-11-21 21:17:36.218649+00'),
	(5, 2, 'instance', '6b661ac6-b54f-4297-a5b6-df73aaaa4292', '{"instance_uuid":"6b661ac6-b54f-4297-a5b6-df73aaaa4292","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T21:17:36.166873Z","reason":"superseded","registered_at":"2026-11-21T21:17:36.159039Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"6b661ac6-b54f-4297-a5b6-df73aaaa4292","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopped","state_since":"2026-11-21T21:17:36.166873Z","reason":"superseded","registered_at":"2026-11-21T21:17:36.159039Z","ready_at":null,"ended_at":"2026-11-21T21:17:36.166873Z","leased":false,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","evidence":{"by":"renewed"}}', 'e3d4d3de-a2d6-4cda-9c8c-2050897e7dad', '2026-11-21 21:17:36.166873+00'),
	(5, 3, 'instance', 'f967bca0-4da6-44f4-a474-96dbb78ad687', NULL, '{"instance_uuid":"f967bca0-4da6-44f4-a474-96dbb78ad687","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.166873Z","reason":"registered","registered_at":"2026-11-21T21:17:36.166873Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', 'e3d4d3de-a2d6-4cda-9c8c-2050897e7dad', '2026-11-21 21:17:36.166873+00'),
	(6, 0, 'component', 'gone', NULL, '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:17:36.175074Z","revision":6}', '{"reason":"registered"}', '0ee0eed3-74d6-41e2-a635-4784d12c282c', '2026-11-21 21:17:36.175074+00'),
	(6, 1, 'instance', '553597c9-6bf0-4fc7-a934-bc1371d8efae', NULL, '{"instance_uuid":"553597c9-6bf0-4fc7-a934-bc1371d8efae","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.175074Z","reason":"registered","registered_at":"2026-11-21T21:17:36.175074Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"registered"}', '0ee0eed3-74d6-41e2-a635-4784d12c282c', '2026-11-21 21:17:36.175074+00'),
	(7, 0, 'instance', '553597c9-6bf0-4fc7-a934-bc1371d8efae', '{"instance_uuid":"553597c9-6bf0-4fc7-a934-bc1371d8efae","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.175074Z","reason":"registered","registered_at":"2026-11-21T21:17:36.175074Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"553597c9-6bf0-4fc7-a934-bc1371d8efae","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T21:17:36.183924Z","reason":"removed","registered_at":"2026-11-21T21:17:36.175074Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '4f274763-3f1c-4e59-abb4-3d14934d43fe', '2026-11-21 21:17:36.183924+00'),
	(7, 1, 'instance', '553597c9-6bf0-4fc7-a934-bc1371d8efae', '{"instance_uuid":"553597c9-6bf0-4fc7-a934-bc1371d8efae","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T21:17:36.183924Z","reason":"removed","registered_at":"2026-11-21T21:17:36.175074Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"553597c9-6bf0-4fc7-a934-bc1371d8efae","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T21:17:36.183924Z","reason":"removed","registered_at":"2026-11-21T21:17:36.175074Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '4f274763-3f1c-4e59-abb4-3d14934d43fe', '2026-11-21 21:17:36.183924+00'),
	(7, 2, 'instance', '553597c9-6bf0-4fc7-a934-bc1371d8efae', '{"instance_uuid":"553597c9-6bf0-4fc7-a934-bc1371d8efae","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T21:17:36.183924Z","reason":"removed","registered_at":"2026-11-21T21:17:36.175074Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"553597c9-6bf0-4fc7-a934-bc1371d8efae","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T21:17:36.183924Z","reason":"removed","registered_at":"2026-11-21T21:17:36.175074Z","ready_at":null,"ended_at":"2026-11-21T21:17:36.183924Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed"}', '4f274763-3f1c-4e59-abb4-3d14934d43fe', '2026-11-21 21:17:36.183924+00'),
	(7, 3, 'instance', '553597c9-6bf0-4fc7-a934-bc1371d8efae', '{"instance_uuid":"553597c9-6bf0-4fc7-a934-bc1371d8efae","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T21:17:36.183924Z","reason":"removed","registered_at":"2026-11-21T21:17:36.175074Z","ready_at":null,"ended_at":"2026-11-21T21:17:36.183924Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', NULL, '{"reason":"removed"}', '4f274763-3f1c-4e59-abb4-3d14934d43fe', '2026-11-21 21:17:36.183924+00'),
	(7, 4, 'component', 'gone', '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:17:36.175074Z","revision":6}', NULL, '{"reason":"removed"}', '4f274763-3f1c-4e59-abb4-3d14934d43fe', '2026-11-21 21:17:36.183924+00'),
	(8, 0, 'component', 'kept', '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T21:17:36.152067Z","revision":3}', '{"component_id":"kept","component_name":"Kept, and renamed","component_type":"ui","capabilities":["search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T21:17:36.152067Z","revision":8}', '{"reason":"updated"}', '051d7222-60cd-4a8d-91a8-57a23808f455', '2026-11-21 21:17:36.19415+00'),
	(9, 0, 'command', 'd3876e9c-75c3-5ef8-897d-0a02230b1b9e', NULL, '{"command_id":"d3876e9c-75c3-5ef8-897d-0a02230b1b9e","component_id":"kept","instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T21:17:36.206947Z","deadline":"2026-11-21T21:17:37.206947Z","state":"pending","message":"","revision":9}', '{"reason":"posted"}', '1770ad75-84d2-4048-ae1f-526619993ebf', '2026-11-21 21:17:36.206947+00'),
	(10, 0, 'command', 'd3876e9c-75c3-5ef8-897d-0a02230b1b9e', '{"command_id":"d3876e9c-75c3-5ef8-897d-0a02230b1b9e","component_id":"kept","instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T21:17:36.206947Z","deadline":"2026-11-21T21:17:37.206947Z","state":"pending","message":"","revision":9}', '{"command_id":"d3876e9c-75c3-5ef8-897d-0a02230b1b9e","component_id":"kept","instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T21:17:36.206947Z","deadline":"2026-11-21T21:17:37.206947Z","state":"accepted","message":"","revision":10}', '{"reason":"acknowledged"}', '74ee0c06-5ff6-4da3-a399-1ac016e39194', '2026-11-21 21:17:36.211092+00'),
	(11, 0, 'component', 'repeated', NULL, '{"component_id":"repeated","component_name":"Asked twice","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:17:36.218649Z","revision":11}', '{"reason":"registered"}', '430f7c46-433a-46c6-b6d1-103cb8313c82', '2026-11-21 21:17:36.218649+00'),
	(12, 0, 'instance', 'cd8d16ca-34ef-40e8-b010-b267bf250846', '{"instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.152067Z","reason":"registered","registered_at":"2026-11-21T21:17:36.152067Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T21:17:36.435926Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.152067Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'be6906bc-9f4b-472f-a1c5-b488b12b3226', '2026-11-21 21:17:36.435926+00'),
	(12, 1, 'instance', 'cd8d16ca-34ef-40e8-b010-b267bf250846', '{"instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T21:17:36.435926Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.152067Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T21:17:36.435926Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.152067Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'be6906bc-9f4b-472f-a1c5-b488b12b3226', '2026-11-21 21:17:36.435926+00'),
	(12, 2, 'instance', 'cd8d16ca-34ef-40e8-b010-b267bf250846', '{"instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T21:17:36.435926Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.152067Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"cd8d16ca-34ef-40e8-b010-b267bf250846","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"ready","state_since":"2026-11-21T21:17:36.435926Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.152067Z","ready_at":"2026-11-21T21:17:36.435926Z","ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat"}', 'be6906bc-9f4b-472f-a1c5-b488b12b3226', '2026-11-21 21:17:36.435926+00'),
	(13, 0, 'instance', 'f967bca0-4da6-44f4-a474-96dbb78ad687', '{"instance_uuid":"f967bca0-4da6-44f4-a474-96dbb78ad687","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.166873Z","reason":"registered","registered_at":"2026-11-21T21:17:36.166873Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"f967bca0-4da6-44f4-a474-96dbb78ad687","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T21:17:36.455943Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.166873Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', '1446f813-c8f7-4eaf-9ec7-53b171a29c34', '2026-11-21 21:17:36.455943+00'),
	(13, 1, 'instance', 'f967bca0-4da6-44f4-a474-96dbb78ad687', '{"instance_uuid":"f967bca0-4da6-44f4-a474-96dbb78ad687","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T21:17:36.455943Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.166873Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"f967bca0-4da6-44f4-a474-96dbb78ad687","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T21:17:36.455943Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.166873Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', '1446f813-c8f7-4eaf-9ec7-53b171a29c34', '2026-11-21 21:17:36.455943+00'),
	(13, 2, 'instance', 'f967bca0-4da6-44f4-a474-96dbb78ad687', '{"instance_uuid":"f967bca0-4da6-44f4-a474-96dbb78ad687","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T21:17:36.455943Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.166873Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"f967bca0-4da6-44f4-a474-96dbb78ad687","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"ready","state_since":"2026-11-21T21:17:36.455943Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.166873Z","ready_at":"2026-11-21T21:17:36.455943Z","ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat"}', '1446f813-c8f7-4eaf-9ec7-53b171a29c34', '2026-11-21 21:17:36.455943+00'),
	(14, 0, 'instance', 'e26d7e1c-0e90-493c-a340-eaa7077093f2', '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T21:17:36.145536Z","reason":"heartbeat","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":"2026-11-21T21:17:36.145536Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"e26d7e1c-0e90-493c-a340-eaa7077093f2","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T21:17:38.218857Z","reason":"lease_expired","registered_at":"2026-11-21T21:17:36.099783Z","ready_at":"2026-11-21T21:17:36.145536Z","ended_at":null,"leased":false,"granted":1,"revision":14,"fingerprint":"22c1f79d4a841240"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T21:17:36.145084Z","silent_seconds":2.073,"timeout_seconds":2.0,"stream":"closed"}}', '96c1593b-5039-4f20-9d73-910633cc0d45', '2026-11-21 21:17:38.218857+00'),
	(15, 0, 'instance', '9f5d1004-4b27-401d-88bd-f6a3506ca4c0', '{"instance_uuid":"9f5d1004-4b27-401d-88bd-f6a3506ca4c0","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.218649Z","reason":"registered","registered_at":"2026-11-21T21:17:36.218649Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"instance_uuid":"9f5d1004-4b27-401d-88bd-f6a3506ca4c0","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T21:17:38.320058Z","reason":"lease_expired","registered_at":"2026-11-21T21:17:36.218649Z","ready_at":null,"ended_at":null,"leased":false,"granted":11,"revision":15,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T21:17:36.218649Z","silent_seconds":2.094,"timeout_seconds":2.0,"stream":"closed"}}', '7dcff512-66db-4001-b663-8f477bbd439b', '2026-11-21 21:17:38.320058+00');
INSERT INTO public.leases VALUES
	('6b661ac6-b54f-4297-a5b6-df73aaaa4292', 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2', 0, '2026-11-21 21:17:36.159039+00', NULL, 1, 774, 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2'),
	('9f5d1004-4b27-401d-88bd-f6a3506ca4c0', 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2', 0, '2026-11-21 21:17:36.218649+00', NULL, 1, 774, 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2'),
	('e26d7e1c-0e90-493c-a340-eaa7077093f2', 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2', 0, '2026-11-21 21:17:36.145084+00', NULL, 1, 774, 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2'),
	('cd8d16ca-34ef-40e8-b010-b267bf250846', 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2', 0, '2026-11-21 21:17:38.236015+00', NULL, 5, 791, 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2'),
	('f967bca0-4da6-44f4-a474-96dbb78ad687', 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2', 0, '2026-11-21 21:17:38.239275+00', NULL, 5, 791, 'be2f6d53-3576-4083-8aea-d3a6c90cc1a2');
INSERT INTO public.requests VALUES
	('', 'RegisterComponentRequest', 'the-same-request', '3a39f4693cb01679c721567f2748e065', '{"instance":{"instance_uuid":"9f5d1004-4b27-401d-88bd-f6a3506ca4c0","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:17:36.218649Z","reason":"registered","registered_at":"2026-11-21T21:17:36.218649Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"},"created":true}', '2026-11-21 21:17:36.219746+00');
INSERT INTO public.tombstones VALUES
	('553597c9-6bf0-4fc7-a934-bc1371d8efae', 'gone', 'removed', '2026-11-21 21:17:36.184459+00');
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
ALTER TABLE ONLY public.launches
    ADD CONSTRAINT launches_pkey PRIMARY KEY (key);
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
