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
	('7bb6ba3b-4062-5dcb-9b6a-cb19688558b8', 'kept', '8fafbb15-cdd5-442c-9b01-31b91fcb3be5', 3, 'reload', '{}', '2026-11-21 21:42:39.386064+00', '2026-11-21 21:42:40.386064+00', 'accepted', '', 10);
INSERT INTO public.components VALUES
	('lost', 'lost', 'Lost', 'ui', '{}', '{}', '', '{}', '2026-11-21 21:42:39.335728+00', 1),
	('renewed', 'renewed', 'Renewed', 'ui', '{}', '{}', '', '{}', '2026-11-21 21:42:39.360535+00', 4),
	('kept', 'kept', 'Kept, and renamed', 'ui', '{search}', '{lost}', '', '{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18}', '2026-11-21 21:42:39.355511+00', 8),
	('repeated', 'repeated', 'Asked twice', 'ui', '{}', '{}', '', '{}', '2026-11-21 21:42:39.395492+00', 11);
INSERT INTO public.histories VALUES
	(true, '83edcf9c', '2026-11-21 21:42:39.01876+00');
INSERT INTO public.instances VALUES
	('596117d0-4508-4757-a112-5a078be38156', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'stopped', '2026-11-21 21:42:39.365595+00', 'superseded', '2026-11-21 21:42:39.360535+00', NULL, '2026-11-21 21:42:39.365595+00', false, 4, 5, '675172cf4741f8de'),
	('8fafbb15-cdd5-442c-9b01-31b91fcb3be5', 'kept', 'kept', '1.0.0', 'host-1', 8500, '', 'ready', '2026-11-21 21:42:39.606397+00', 'heartbeat', '2026-11-21 21:42:39.355511+00', '2026-11-21 21:42:39.606397+00', NULL, true, 3, 12, '4608d2c8736eadca'),
	('96dca3eb-5344-45cd-9bed-88062a85388d', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'ready', '2026-11-21 21:42:39.613093+00', 'heartbeat', '2026-11-21 21:42:39.365595+00', '2026-11-21 21:42:39.613093+00', NULL, true, 5, 13, '675172cf4741f8de'),
	('9e9c848d-adb7-45ce-89a3-bd9ba1e277c9', 'lost', 'lost', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 21:42:41.435575+00', 'lease_expired', '2026-11-21 21:42:39.335728+00', '2026-11-21 21:42:39.350624+00', NULL, false, 1, 14, '22c1f79d4a841240'),
	('0971e7e0-54a3-4d1d-9a23-519b48a4c8fc', 'repeated', 'repeated', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 21:42:41.536037+00', 'lease_expired', '2026-11-21 21:42:39.395492+00', NULL, NULL, false, 11, 15, 'e5eefa8aea01fa72');
INSERT INTO public.journal VALUES
	(1, 0, 'component', 'lost', NULL, '{"component_id":"lost","component_name":"Lost","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:42:39.335728Z","revision":1}', '{"reason":"registered"}', 'db6a0f56-576e-4479-b94b-e3ae342e72ba', '2026-11-21 21:42:39.335728+00'),
	(1, 1, 'instance', '9e9c848d-adb7-45ce-89a3-bd9ba1e277c9', NULL, '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.335728Z","reason":"registered","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"reason":"registered"}', 'db6a0f56-576e-4479-b94b-e3ae342e72ba', '2026-11-21 21:42:39.335728+00'),
	(2, 0, 'instance', '9e9c848d-adb7-45ce-89a3-bd9ba1e277c9', '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.335728Z","reason":"registered","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T21:42:39.350624Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', '163d0d8f-2650-463e-bc94-c3ac8d5c3508', '2026-11-21 21:42:39.350624+00'),
	(2, 1, 'instance', '9e9c848d-adb7-45ce-89a3-bd9ba1e277c9', '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T21:42:39.350624Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T21:42:39.350624Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', '163d0d8f-2650-463e-bc94-c3ac8d5c3508', '2026-11-21 21:42:39.350624+00'),
	(2, 2, 'instance', '9e9c848d-adb7-45ce-89a3-bd9ba1e277c9', '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T21:42:39.350624Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T21:42:39.350624Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":"2026-11-21T21:42:39.350624Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat"}', '163d0d8f-2650-463e-bc94-c3ac8d5c3508', '2026-11-21 21:42:39.350624+00'),
	(3, 0, 'component', 'kept', NULL, '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T21:42:39.355511Z","revision":3}', '{"reason":"registered"}', '6f6bf112-7bac-4e99-9cc7-fcb18c6bbc8b', '2026-11-21 21:42:39.355511+00'),
	(3, 1, 'instance', '8fafbb15-cdd5-442c-9b01-31b91fcb3be5', NULL, '{"instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.355511Z","reason":"registered","registered_at":"2026-11-21T21:42:39.355511Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"reason":"registered"}', '6f6bf112-7bac-4e99-9cc7-fcb18c6bbc8b', '2026-11-21 21:42:39.355511+00'),
	(4, 0, 'component', 'renewed', NULL, '{"component_id":"renewed","component_name":"Renewed","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:42:39.360535Z","revision":4}', '{"reason":"registered"}', '311b82df-c33a-45c9-82f5-c557fa84549f', '2026-11-21 21:42:39.360535+00'),
	(4, 1, 'instance', '596117d0-4508-4757-a112-5a078be38156', NULL, '{"instance_uuid":"596117d0-4508-4757-a112-5a078be38156","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.360535Z","reason":"registered","registered_at":"2026-11-21T21:42:39.360535Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '311b82df-c33a-45c9-82f5-c557fa84549f', '2026-11-21 21:42:39.360535+00'),
	(5, 0, 'instance', '596117d0-4508-4757-a112-5a078be38156', '{"instance_uuid":"596117d0-4508-4757-a112-5a078be38156","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.360535Z","reason":"registered","registered_at":"2026-11-21T21:42:39.360535Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"596117d0-4508-4757-a112-5a078be38156","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T21:42:39.365595Z","reason":"superseded","registered_at":"2026-11-21T21:42:39.360535Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', '08ecd60f-2200-4e16-acef-43ce5e2fc2cf', '2026-11-21 21:42:39.365595+00'),
	(5, 1, 'instance', '596117d0-4508-4757-a112-5a078be38156', '{"instance_uuid":"596117d0-4508-4757-a112-5a078be38156","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T21:42:39.365595Z","reason":"superseded","registered_at":"2026-11-21T21:42:39.360535Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"596117d0-4508-4757-a112-5a078be38156","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T21:42:39.365595Z","reason":"superseded","registered_at":"2026-11-21T21:42:39.360535Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', '08ecd60f-2200-4e16-acef-43ce5e2fc2cf', '2026-11-21 21:42:39.365595+00'),
	(11, 1, 'instance', '0971e7e0-54a3-4d1d-9a23-519b48a4c8fc', NULL, '{"instance_uuid":"0971e7e0-54a3-4d1d-9a23-519b48a4c8fc","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.395492Z","reason":"registered","registered_at":"2026-11-21T21:42:39.395492Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"registered"}', '05e29ebd-fcac-4112-aaba-206f42eecf45', '2026-11-21 21:42:39.395492+00'),
	(5, 2, 'instance', '596117d0-4508-4757-a112-5a078be38156', '{"instance_uuid":"596117d0-4508-4757-a112-5a078be38156","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T21:42:39.365595Z","reason":"superseded","registered_at":"2026-11-21T21:42:39.360535Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"596117d0-4508-4757-a112-5a078be38156","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopped","state_since":"2026-11-21T21:42:39.365595Z","reason":"superseded","registered_at":"2026-11-21T21:42:39.360535Z","ready_at":null,"ended_at":"2026-11-21T21:42:39.365595Z","leased":false,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","evidence":{"by":"renewed"}}', '08ecd60f-2200-4e16-acef-43ce5e2fc2cf', '2026-11-21 21:42:39.365595+00'),
	(5, 3, 'instance', '96dca3eb-5344-45cd-9bed-88062a85388d', NULL, '{"instance_uuid":"96dca3eb-5344-45cd-9bed-88062a85388d","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.365595Z","reason":"registered","registered_at":"2026-11-21T21:42:39.365595Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '08ecd60f-2200-4e16-acef-43ce5e2fc2cf', '2026-11-21 21:42:39.365595+00'),
	(6, 0, 'component', 'gone', NULL, '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:42:39.371293Z","revision":6}', '{"reason":"registered"}', 'e6c2f02f-5d30-4f80-be74-f1d6d68c851c', '2026-11-21 21:42:39.371293+00'),
	(6, 1, 'instance', 'cffb631b-4888-4b31-960d-9555583c7aba', NULL, '{"instance_uuid":"cffb631b-4888-4b31-960d-9555583c7aba","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.371293Z","reason":"registered","registered_at":"2026-11-21T21:42:39.371293Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"registered"}', 'e6c2f02f-5d30-4f80-be74-f1d6d68c851c', '2026-11-21 21:42:39.371293+00'),
	(7, 0, 'instance', 'cffb631b-4888-4b31-960d-9555583c7aba', '{"instance_uuid":"cffb631b-4888-4b31-960d-9555583c7aba","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.371293Z","reason":"registered","registered_at":"2026-11-21T21:42:39.371293Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"cffb631b-4888-4b31-960d-9555583c7aba","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T21:42:39.376030Z","reason":"removed","registered_at":"2026-11-21T21:42:39.371293Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '97852ea7-0c43-4f87-9298-7822e68efc19', '2026-11-21 21:42:39.37603+00'),
	(7, 1, 'instance', 'cffb631b-4888-4b31-960d-9555583c7aba', '{"instance_uuid":"cffb631b-4888-4b31-960d-9555583c7aba","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T21:42:39.376030Z","reason":"removed","registered_at":"2026-11-21T21:42:39.371293Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"cffb631b-4888-4b31-960d-9555583c7aba","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T21:42:39.376030Z","reason":"removed","registered_at":"2026-11-21T21:42:39.371293Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '97852ea7-0c43-4f87-9298-7822e68efc19', '2026-11-21 21:42:39.37603+00'),
	(7, 2, 'instance', 'cffb631b-4888-4b31-960d-9555583c7aba', '{"instance_uuid":"cffb631b-4888-4b31-960d-9555583c7aba","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T21:42:39.376030Z","reason":"removed","registered_at":"2026-11-21T21:42:39.371293Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"cffb631b-4888-4b31-960d-9555583c7aba","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T21:42:39.376030Z","reason":"removed","registered_at":"2026-11-21T21:42:39.371293Z","ready_at":null,"ended_at":"2026-11-21T21:42:39.376030Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed"}', '97852ea7-0c43-4f87-9298-7822e68efc19', '2026-11-21 21:42:39.37603+00'),
	(7, 3, 'instance', 'cffb631b-4888-4b31-960d-9555583c7aba', '{"instance_uuid":"cffb631b-4888-4b31-960d-9555583c7aba","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T21:42:39.376030Z","reason":"removed","registered_at":"2026-11-21T21:42:39.371293Z","ready_at":null,"ended_at":"2026-11-21T21:42:39.376030Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', NULL, '{"reason":"removed"}', '97852ea7-0c43-4f87-9298-7822e68efc19', '2026-11-21 21:42:39.37603+00'),
	(7, 4, 'component', 'gone', '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:42:39.371293Z","revision":6}', NULL, '{"reason":"removed"}', '97852ea7-0c43-4f87-9298-7822e68efc19', '2026-11-21 21:42:39.37603+00'),
	(8, 0, 'component', 'kept', '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T21:42:39.355511Z","revision":3}', '{"component_id":"kept","component_name":"Kept, and renamed","component_type":"ui","capabilities":["search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T21:42:39.355511Z","revision":8}', '{"reason":"updated"}', '185d7343-909d-4a12-84b1-8828b442a128', '2026-11-21 21:42:39.38115+00'),
	(9, 0, 'command', '7bb6ba3b-4062-5dcb-9b6a-cb19688558b8', NULL, '{"command_id":"7bb6ba3b-4062-5dcb-9b6a-cb19688558b8","component_id":"kept","instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T21:42:39.386064Z","deadline":"2026-11-21T21:42:40.386064Z","state":"pending","message":"","revision":9}', '{"reason":"posted"}', '6cfd1e86-6b40-46a3-9b0a-73aa8809eed7', '2026-11-21 21:42:39.386064+00'),
	(10, 0, 'command', '7bb6ba3b-4062-5dcb-9b6a-cb19688558b8', '{"command_id":"7bb6ba3b-4062-5dcb-9b6a-cb19688558b8","component_id":"kept","instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T21:42:39.386064Z","deadline":"2026-11-21T21:42:40.386064Z","state":"pending","message":"","revision":9}', '{"command_id":"7bb6ba3b-4062-5dcb-9b6a-cb19688558b8","component_id":"kept","instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T21:42:39.386064Z","deadline":"2026-11-21T21:42:40.386064Z","state":"accepted","message":"","revision":10}', '{"reason":"acknowledged"}', 'd503dcb5-5e9e-4d3b-9d70-d67ad7af74b0', '2026-11-21 21:42:39.391019+00'),
	(11, 0, 'component', 'repeated', NULL, '{"component_id":"repeated","component_name":"Asked twice","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T21:42:39.395492Z","revision":11}', '{"reason":"registered"}', '05e29ebd-fcac-4112-aaba-206f42eecf45', '2026-11-21 21:42:39.395492+00'),
	(12, 0, 'instance', '8fafbb15-cdd5-442c-9b01-31b91fcb3be5', '{"instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.355511Z","reason":"registered","registered_at":"2026-11-21T21:42:39.355511Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T21:42:39.606397Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.355511Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'c96ec5e9-7fc4-429f-9574-d4e2ffff1d3f', '2026-11-21 21:42:39.606397+00'),
	(12, 1, 'instance', '8fafbb15-cdd5-442c-9b01-31b91fcb3be5', '{"instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T21:42:39.606397Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.355511Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T21:42:39.606397Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.355511Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'c96ec5e9-7fc4-429f-9574-d4e2ffff1d3f', '2026-11-21 21:42:39.606397+00'),
	(12, 2, 'instance', '8fafbb15-cdd5-442c-9b01-31b91fcb3be5', '{"instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T21:42:39.606397Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.355511Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"8fafbb15-cdd5-442c-9b01-31b91fcb3be5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"ready","state_since":"2026-11-21T21:42:39.606397Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.355511Z","ready_at":"2026-11-21T21:42:39.606397Z","ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat"}', 'c96ec5e9-7fc4-429f-9574-d4e2ffff1d3f', '2026-11-21 21:42:39.606397+00'),
	(13, 0, 'instance', '96dca3eb-5344-45cd-9bed-88062a85388d', '{"instance_uuid":"96dca3eb-5344-45cd-9bed-88062a85388d","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.365595Z","reason":"registered","registered_at":"2026-11-21T21:42:39.365595Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"96dca3eb-5344-45cd-9bed-88062a85388d","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T21:42:39.613093Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.365595Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', '9a6def4d-1b23-492e-a545-677c56139d76', '2026-11-21 21:42:39.613093+00'),
	(13, 1, 'instance', '96dca3eb-5344-45cd-9bed-88062a85388d', '{"instance_uuid":"96dca3eb-5344-45cd-9bed-88062a85388d","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T21:42:39.613093Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.365595Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"96dca3eb-5344-45cd-9bed-88062a85388d","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T21:42:39.613093Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.365595Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', '9a6def4d-1b23-492e-a545-677c56139d76', '2026-11-21 21:42:39.613093+00'),
	(13, 2, 'instance', '96dca3eb-5344-45cd-9bed-88062a85388d', '{"instance_uuid":"96dca3eb-5344-45cd-9bed-88062a85388d","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T21:42:39.613093Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.365595Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"96dca3eb-5344-45cd-9bed-88062a85388d","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"ready","state_since":"2026-11-21T21:42:39.613093Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.365595Z","ready_at":"2026-11-21T21:42:39.613093Z","ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat"}', '9a6def4d-1b23-492e-a545-677c56139d76', '2026-11-21 21:42:39.613093+00'),
	(14, 0, 'instance', '9e9c848d-adb7-45ce-89a3-bd9ba1e277c9', '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T21:42:39.350624Z","reason":"heartbeat","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":"2026-11-21T21:42:39.350624Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"9e9c848d-adb7-45ce-89a3-bd9ba1e277c9","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T21:42:41.435575Z","reason":"lease_expired","registered_at":"2026-11-21T21:42:39.335728Z","ready_at":"2026-11-21T21:42:39.350624Z","ended_at":null,"leased":false,"granted":1,"revision":14,"fingerprint":"22c1f79d4a841240"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T21:42:39.350255Z","silent_seconds":2.084,"timeout_seconds":2.0,"stream":"closed"}}', '4791cbfe-4cc1-4196-88f4-362f34d37f86', '2026-11-21 21:42:41.435575+00'),
	(15, 0, 'instance', '0971e7e0-54a3-4d1d-9a23-519b48a4c8fc', '{"instance_uuid":"0971e7e0-54a3-4d1d-9a23-519b48a4c8fc","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.395492Z","reason":"registered","registered_at":"2026-11-21T21:42:39.395492Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"instance_uuid":"0971e7e0-54a3-4d1d-9a23-519b48a4c8fc","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T21:42:41.536037Z","reason":"lease_expired","registered_at":"2026-11-21T21:42:39.395492Z","ready_at":null,"ended_at":null,"leased":false,"granted":11,"revision":15,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T21:42:39.395492Z","silent_seconds":2.138,"timeout_seconds":2.0,"stream":"closed"}}', 'bb936574-d869-4503-8732-edc9bf878b4b', '2026-11-21 21:42:41.536037+00');
INSERT INTO public.leases VALUES
	('0971e7e0-54a3-4d1d-9a23-519b48a4c8fc', '38d27a2f-bbfb-48a3-a06f-df773dc56396', 0, '2026-11-21 21:42:39.395492+00', NULL, 1, 772, '38d27a2f-bbfb-48a3-a06f-df773dc56396'),
	('596117d0-4508-4757-a112-5a078be38156', '38d27a2f-bbfb-48a3-a06f-df773dc56396', 0, '2026-11-21 21:42:39.360535+00', NULL, 1, 772, '38d27a2f-bbfb-48a3-a06f-df773dc56396'),
	('9e9c848d-adb7-45ce-89a3-bd9ba1e277c9', '38d27a2f-bbfb-48a3-a06f-df773dc56396', 0, '2026-11-21 21:42:39.350255+00', NULL, 1, 772, '38d27a2f-bbfb-48a3-a06f-df773dc56396'),
	('8fafbb15-cdd5-442c-9b01-31b91fcb3be5', '38d27a2f-bbfb-48a3-a06f-df773dc56396', 0, '2026-11-21 21:42:41.526915+00', NULL, 5, 790, '38d27a2f-bbfb-48a3-a06f-df773dc56396'),
	('96dca3eb-5344-45cd-9bed-88062a85388d', '38d27a2f-bbfb-48a3-a06f-df773dc56396', 0, '2026-11-21 21:42:41.530829+00', NULL, 5, 790, '38d27a2f-bbfb-48a3-a06f-df773dc56396');
INSERT INTO public.requests VALUES
	('', 'RegisterComponentRequest', 'the-same-request', '3a39f4693cb01679c721567f2748e065', '{"instance":{"instance_uuid":"0971e7e0-54a3-4d1d-9a23-519b48a4c8fc","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T21:42:39.395492Z","reason":"registered","registered_at":"2026-11-21T21:42:39.395492Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"},"created":true}', '2026-11-21 21:42:39.396751+00');
INSERT INTO public.tombstones VALUES
	('cffb631b-4888-4b31-960d-9555583c7aba', 'gone', 'removed', '2026-11-21 21:42:39.376658+00');
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
