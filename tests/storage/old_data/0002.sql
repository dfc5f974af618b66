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
INSERT INTO public.components VALUES
	('lost', 'lost', 'Lost', 'ui', '{}', '{}', '', '{}', '2026-11-21 20:31:21.633936+00', 1),
	('renewed', 'renewed', 'Renewed', 'ui', '{}', '{}', '', '{}', '2026-11-21 20:31:21.658934+00', 4),
	('kept', 'kept', 'Kept, and renamed', 'ui', '{search}', '{lost}', '', '{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}}', '2026-11-21 20:31:21.653991+00', 8),
	('repeated', 'repeated', 'Asked twice', 'ui', '{}', '{}', '', '{}', '2026-11-21 20:31:21.679485+00', 9);
INSERT INTO public.histories VALUES
	(true, '080d271a', '2026-11-21 20:31:21.380006+00');
INSERT INTO public.instances VALUES
	('b6be3072-f9f0-4bcd-aba4-285eb53ef8cd', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'stopped', '2026-11-21 20:31:21.662862+00', 'superseded', '2026-11-21 20:31:21.658934+00', NULL, '2026-11-21 20:31:21.662862+00', false, 4, 5, '675172cf4741f8de'),
	('fd99c606-07b5-4fe3-90f6-aa35ac91a1ef', 'kept', 'kept', '1.0.0', 'host-1', 8500, '', 'ready', '2026-11-21 20:31:21.888814+00', 'heartbeat', '2026-11-21 20:31:21.653991+00', '2026-11-21 20:31:21.888814+00', NULL, true, 3, 10, '4608d2c8736eadca'),
	('8af0a34e-6559-4d2a-852d-e5badf8e8018', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'ready', '2026-11-21 20:31:21.893725+00', 'heartbeat', '2026-11-21 20:31:21.662862+00', '2026-11-21 20:31:21.893725+00', NULL, true, 5, 11, '675172cf4741f8de'),
	('9b791077-6a9d-4717-83a8-21c7724772e7', 'lost', 'lost', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 20:31:23.745914+00', 'lease_expired', '2026-11-21 20:31:21.633936+00', '2026-11-21 20:31:21.647129+00', NULL, false, 1, 12, '22c1f79d4a841240'),
	('94b45467-04a2-4b1d-b008-7ba4a5e2abf2', 'repeated', 'repeated', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 20:31:23.745914+00', 'lease_expired', '2026-11-21 20:31:21.679485+00', NULL, NULL, false, 9, 13, 'e5eefa8aea01fa72');
INSERT INTO public.journal VALUES
	(1, 0, 'component', 'lost', NULL, '{"component_id":"lost","component_name":"Lost","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:31:21.633936Z","revision":1}', '{"reason":"registered"}', 'dbc6186f-8056-411f-9f9c-19dbfc5209ee', '2026-11-21 20:31:21.633936+00'),
	(1, 1, 'instance', '9b791077-6a9d-4717-83a8-21c7724772e7', NULL, '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.633936Z","reason":"registered","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"reason":"registered"}', 'dbc6186f-8056-411f-9f9c-19dbfc5209ee', '2026-11-21 20:31:21.633936+00'),
	(2, 0, 'instance', '9b791077-6a9d-4717-83a8-21c7724772e7', '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.633936Z","reason":"registered","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T20:31:21.647129Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', '68719fc7-6976-40bc-bc88-33ce379ec186', '2026-11-21 20:31:21.647129+00'),
	(2, 1, 'instance', '9b791077-6a9d-4717-83a8-21c7724772e7', '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T20:31:21.647129Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T20:31:21.647129Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', '68719fc7-6976-40bc-bc88-33ce379ec186', '2026-11-21 20:31:21.647129+00'),
	(2, 2, 'instance', '9b791077-6a9d-4717-83a8-21c7724772e7', '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T20:31:21.647129Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T20:31:21.647129Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":"2026-11-21T20:31:21.647129Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat"}', '68719fc7-6976-40bc-bc88-33ce379ec186', '2026-11-21 20:31:21.647129+00'),
	(3, 0, 'component', 'kept', NULL, '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T20:31:21.653991Z","revision":3}', '{"reason":"registered"}', '6718bd2e-dbee-4983-9490-8c248d70f6a7', '2026-11-21 20:31:21.653991+00'),
	(3, 1, 'instance', 'fd99c606-07b5-4fe3-90f6-aa35ac91a1ef', NULL, '{"instance_uuid":"fd99c606-07b5-4fe3-90f6-aa35ac91a1ef","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.653991Z","reason":"registered","registered_at":"2026-11-21T20:31:21.653991Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"reason":"registered"}', '6718bd2e-dbee-4983-9490-8c248d70f6a7', '2026-11-21 20:31:21.653991+00'),
	(4, 0, 'component', 'renewed', NULL, '{"component_id":"renewed","component_name":"Renewed","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:31:21.658934Z","revision":4}', '{"reason":"registered"}', 'b7acce23-d498-4a53-afd4-5637e2ac888e', '2026-11-21 20:31:21.658934+00'),
	(4, 1, 'instance', 'b6be3072-f9f0-4bcd-aba4-285eb53ef8cd', NULL, '{"instance_uuid":"b6be3072-f9f0-4bcd-aba4-285eb53ef8cd","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.658934Z","reason":"registered","registered_at":"2026-11-21T20:31:21.658934Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', 'b7acce23-d498-4a53-afd4-5637e2ac888e', '2026-11-21 20:31:21.658934+00'),
	(5, 0, 'instance', 'b6be3072-f9f0-4bcd-aba4-285eb53ef8cd', '{"instance_uuid":"b6be3072-f9f0-4bcd-aba4-285eb53ef8cd","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.658934Z","reason":"registered","registered_at":"2026-11-21T20:31:21.658934Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"b6be3072-f9f0-4bcd-aba4-285eb53ef8cd","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T20:31:21.662862Z","reason":"superseded","registered_at":"2026-11-21T20:31:21.658934Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', 'd2a1d4a7-86f8-4205-accb-f7e08515de18', '2026-11-21 20:31:21.662862+00'),
	(5, 1, 'instance', 'b6be3072-f9f0-4bcd-aba4-285eb53ef8cd', '{"instance_uuid":"b6be3072-f9f0-4bcd-aba4-285eb53ef8cd","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T20:31:21.662862Z","reason":"superseded","registered_at":"2026-11-21T20:31:21.658934Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"b6be3072-f9f0-4bcd-aba4-285eb53ef8cd","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T20:31:21.662862Z","reason":"superseded","registered_at":"2026-11-21T20:31:21.658934Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', 'd2a1d4a7-86f8-4205-accb-f7e08515de18', '2026-11-21 20:31:21.662862+00'),
	(10, 0, 'instance', 'fd99c606-07b5-4fe3-90f6-aa35ac91a1ef', '{"instance_uuid":"fd99c606-07b5-4fe3-90f6-aa35ac91a1ef","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.653991Z","reason":"registered","registered_at":"2026-11-21T20:31:21.653991Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"fd99c606-07b5-4fe3-90f6-aa35ac91a1ef","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T20:31:21.888814Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.653991Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', '4e9dc8b0-854f-46e6-ac8e-296b78c4fcc2', '2026-11-21 20:31:21.888814+00'),
	(5, 2, 'instance', 'b6be3072-f9f0-4bcd-aba4-285eb53ef8cd', '{"instance_uuid":"b6be3072-f9f0-4bcd-aba4-285eb53ef8cd","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T20:31:21.662862Z","reason":"superseded","registered_at":"2026-11-21T20:31:21.658934Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"b6be3072-f9f0-4bcd-aba4-285eb53ef8cd","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopped","state_since":"2026-11-21T20:31:21.662862Z","reason":"superseded","registered_at":"2026-11-21T20:31:21.658934Z","ready_at":null,"ended_at":"2026-11-21T20:31:21.662862Z","leased":false,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","evidence":{"by":"renewed"}}', 'd2a1d4a7-86f8-4205-accb-f7e08515de18', '2026-11-21 20:31:21.662862+00'),
	(5, 3, 'instance', '8af0a34e-6559-4d2a-852d-e5badf8e8018', NULL, '{"instance_uuid":"8af0a34e-6559-4d2a-852d-e5badf8e8018","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.662862Z","reason":"registered","registered_at":"2026-11-21T20:31:21.662862Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', 'd2a1d4a7-86f8-4205-accb-f7e08515de18', '2026-11-21 20:31:21.662862+00'),
	(6, 0, 'component', 'gone', NULL, '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:31:21.667477Z","revision":6}', '{"reason":"registered"}', 'b27227ee-0512-41a4-a4b4-866a500eb6de', '2026-11-21 20:31:21.667477+00'),
	(6, 1, 'instance', 'ee47e99d-d913-4ec8-a385-644b8ebded8e', NULL, '{"instance_uuid":"ee47e99d-d913-4ec8-a385-644b8ebded8e","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.667477Z","reason":"registered","registered_at":"2026-11-21T20:31:21.667477Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"registered"}', 'b27227ee-0512-41a4-a4b4-866a500eb6de', '2026-11-21 20:31:21.667477+00'),
	(7, 0, 'instance', 'ee47e99d-d913-4ec8-a385-644b8ebded8e', '{"instance_uuid":"ee47e99d-d913-4ec8-a385-644b8ebded8e","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.667477Z","reason":"registered","registered_at":"2026-11-21T20:31:21.667477Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"ee47e99d-d913-4ec8-a385-644b8ebded8e","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T20:31:21.671318Z","reason":"removed","registered_at":"2026-11-21T20:31:21.667477Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '905b62ac-7961-454c-b840-3cad713e9454', '2026-11-21 20:31:21.671318+00'),
	(7, 1, 'instance', 'ee47e99d-d913-4ec8-a385-644b8ebded8e', '{"instance_uuid":"ee47e99d-d913-4ec8-a385-644b8ebded8e","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T20:31:21.671318Z","reason":"removed","registered_at":"2026-11-21T20:31:21.667477Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"ee47e99d-d913-4ec8-a385-644b8ebded8e","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T20:31:21.671318Z","reason":"removed","registered_at":"2026-11-21T20:31:21.667477Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '905b62ac-7961-454c-b840-3cad713e9454', '2026-11-21 20:31:21.671318+00'),
	(7, 2, 'instance', 'ee47e99d-d913-4ec8-a385-644b8ebded8e', '{"instance_uuid":"ee47e99d-d913-4ec8-a385-644b8ebded8e","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T20:31:21.671318Z","reason":"removed","registered_at":"2026-11-21T20:31:21.667477Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"ee47e99d-d913-4ec8-a385-644b8ebded8e","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T20:31:21.671318Z","reason":"removed","registered_at":"2026-11-21T20:31:21.667477Z","ready_at":null,"ended_at":"2026-11-21T20:31:21.671318Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed"}', '905b62ac-7961-454c-b840-3cad713e9454', '2026-11-21 20:31:21.671318+00'),
	(7, 3, 'instance', 'ee47e99d-d913-4ec8-a385-644b8ebded8e', '{"instance_uuid":"ee47e99d-d913-4ec8-a385-644b8ebded8e","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T20:31:21.671318Z","reason":"removed","registered_at":"2026-11-21T20:31:21.667477Z","ready_at":null,"ended_at":"2026-11-21T20:31:21.671318Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', NULL, '{"reason":"removed"}', '905b62ac-7961-454c-b840-3cad713e9454', '2026-11-21 20:31:21.671318+00'),
	(7, 4, 'component', 'gone', '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:31:21.667477Z","revision":6}', NULL, '{"reason":"removed"}', '905b62ac-7961-454c-b840-3cad713e9454', '2026-11-21 20:31:21.671318+00'),
	(8, 0, 'component', 'kept', '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T20:31:21.653991Z","revision":3}', '{"component_id":"kept","component_name":"Kept, and renamed","component_type":"ui","capabilities":["search"],"dependencies":["lost"],"health_check":"","metadata":{"big":1.152921504606847e18,"ü":{"deep":[1,2.5,null,"☃"]}},"created_at":"2026-11-21T20:31:21.653991Z","revision":8}', '{"reason":"updated"}', '8b2a88c2-f25a-4d0c-b5db-4efa76cfa74e', '2026-11-21 20:31:21.675602+00'),
	(9, 0, 'component', 'repeated', NULL, '{"component_id":"repeated","component_name":"Asked twice","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T20:31:21.679485Z","revision":9}', '{"reason":"registered"}', 'd131a625-1130-433d-880c-1b2a477a415d', '2026-11-21 20:31:21.679485+00'),
	(9, 1, 'instance', '94b45467-04a2-4b1d-b008-7ba4a5e2abf2', NULL, '{"instance_uuid":"94b45467-04a2-4b1d-b008-7ba4a5e2abf2","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.679485Z","reason":"registered","registered_at":"2026-11-21T20:31:21.679485Z","ready_at":null,"ended_at":null,"leased":true,"granted":9,"revision":9,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"registered"}', 'd131a625-1130-433d-880c-1b2a477a415d', '2026-11-21 20:31:21.679485+00'),
	(10, 1, 'instance', 'fd99c606-07b5-4fe3-90f6-aa35ac91a1ef', '{"instance_uuid":"fd99c606-07b5-4fe3-90f6-aa35ac91a1ef","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T20:31:21.888814Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.653991Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"fd99c606-07b5-4fe3-90f6-aa35ac91a1ef","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T20:31:21.888814Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.653991Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', '4e9dc8b0-854f-46e6-ac8e-296b78c4fcc2', '2026-11-21 20:31:21.888814+00'),
	(10, 2, 'instance', 'fd99c606-07b5-4fe3-90f6-aa35ac91a1ef', '{"instance_uuid":"fd99c606-07b5-4fe3-90f6-aa35ac91a1ef","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T20:31:21.888814Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.653991Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"fd99c606-07b5-4fe3-90f6-aa35ac91a1ef","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"ready","state_since":"2026-11-21T20:31:21.888814Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.653991Z","ready_at":"2026-11-21T20:31:21.888814Z","ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat"}', '4e9dc8b0-854f-46e6-ac8e-296b78c4fcc2', '2026-11-21 20:31:21.888814+00'),
	(11, 0, 'instance', '8af0a34e-6559-4d2a-852d-e5badf8e8018', '{"instance_uuid":"8af0a34e-6559-4d2a-852d-e5badf8e8018","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.662862Z","reason":"registered","registered_at":"2026-11-21T20:31:21.662862Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"8af0a34e-6559-4d2a-852d-e5badf8e8018","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T20:31:21.893725Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.662862Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', 'e43b0f37-2d35-41a3-a459-4cc1c34c6bed', '2026-11-21 20:31:21.893725+00'),
	(11, 1, 'instance', '8af0a34e-6559-4d2a-852d-e5badf8e8018', '{"instance_uuid":"8af0a34e-6559-4d2a-852d-e5badf8e8018","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T20:31:21.893725Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.662862Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"8af0a34e-6559-4d2a-852d-e5badf8e8018","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T20:31:21.893725Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.662862Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', 'e43b0f37-2d35-41a3-a459-4cc1c34c6bed', '2026-11-21 20:31:21.893725+00'),
	(11, 2, 'instance', '8af0a34e-6559-4d2a-852d-e5badf8e8018', '{"instance_uuid":"8af0a34e-6559-4d2a-852d-e5badf8e8018","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T20:31:21.893725Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.662862Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"8af0a34e-6559-4d2a-852d-e5badf8e8018","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"ready","state_since":"2026-11-21T20:31:21.893725Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.662862Z","ready_at":"2026-11-21T20:31:21.893725Z","ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat"}', 'e43b0f37-2d35-41a3-a459-4cc1c34c6bed', '2026-11-21 20:31:21.893725+00'),
	(12, 0, 'instance', '9b791077-6a9d-4717-83a8-21c7724772e7', '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T20:31:21.647129Z","reason":"heartbeat","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":"2026-11-21T20:31:21.647129Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"9b791077-6a9d-4717-83a8-21c7724772e7","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T20:31:23.745914Z","reason":"lease_expired","registered_at":"2026-11-21T20:31:21.633936Z","ready_at":"2026-11-21T20:31:21.647129Z","ended_at":null,"leased":false,"granted":1,"revision":12,"fingerprint":"22c1f79d4a841240"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T20:31:21.646817Z","silent_seconds":2.098,"timeout_seconds":2.0,"stream":"closed"}}', '0718d010-8e94-4156-883e-a0a8f60e34ee', '2026-11-21 20:31:23.745914+00'),
	(13, 0, 'instance', '94b45467-04a2-4b1d-b008-7ba4a5e2abf2', '{"instance_uuid":"94b45467-04a2-4b1d-b008-7ba4a5e2abf2","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.679485Z","reason":"registered","registered_at":"2026-11-21T20:31:21.679485Z","ready_at":null,"ended_at":null,"leased":true,"granted":9,"revision":9,"fingerprint":"e5eefa8aea01fa72"}', '{"instance_uuid":"94b45467-04a2-4b1d-b008-7ba4a5e2abf2","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T20:31:23.745914Z","reason":"lease_expired","registered_at":"2026-11-21T20:31:21.679485Z","ready_at":null,"ended_at":null,"leased":false,"granted":9,"revision":13,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T20:31:21.679485Z","silent_seconds":2.064,"timeout_seconds":2.0,"stream":"closed"}}', '0718d010-8e94-4156-883e-a0a8f60e34ee', '2026-11-21 20:31:23.745914+00');
INSERT INTO public.leases VALUES
	('94b45467-04a2-4b1d-b008-7ba4a5e2abf2', '8f954720-d1a1-4df8-9c20-fd27034d1c25', 0, '2026-11-21 20:31:21.679485+00', NULL, 1, 770, '8f954720-d1a1-4df8-9c20-fd27034d1c25'),
	('9b791077-6a9d-4717-83a8-21c7724772e7', '8f954720-d1a1-4df8-9c20-fd27034d1c25', 0, '2026-11-21 20:31:21.646817+00', NULL, 1, 770, '8f954720-d1a1-4df8-9c20-fd27034d1c25'),
	('b6be3072-f9f0-4bcd-aba4-285eb53ef8cd', '8f954720-d1a1-4df8-9c20-fd27034d1c25', 0, '2026-11-21 20:31:21.658934+00', NULL, 1, 770, '8f954720-d1a1-4df8-9c20-fd27034d1c25'),
	('8af0a34e-6559-4d2a-852d-e5badf8e8018', '8f954720-d1a1-4df8-9c20-fd27034d1c25', 0, '2026-11-21 20:31:23.841712+00', NULL, 5, 786, '8f954720-d1a1-4df8-9c20-fd27034d1c25'),
	('fd99c606-07b5-4fe3-90f6-aa35ac91a1ef', '8f954720-d1a1-4df8-9c20-fd27034d1c25', 0, '2026-11-21 20:31:23.836625+00', NULL, 5, 786, '8f954720-d1a1-4df8-9c20-fd27034d1c25');
INSERT INTO public.requests VALUES
	('', 'RegisterComponentRequest', 'the-same-request', '3a39f4693cb01679c721567f2748e065', '{"instance":{"instance_uuid":"94b45467-04a2-4b1d-b008-7ba4a5e2abf2","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T20:31:21.679485Z","reason":"registered","registered_at":"2026-11-21T20:31:21.679485Z","ready_at":null,"ended_at":null,"leased":true,"granted":9,"revision":9,"fingerprint":"e5eefa8aea01fa72"},"created":true}', '2026-11-21 20:31:21.680487+00');
INSERT INTO public.tombstones VALUES
	('ee47e99d-d913-4ec8-a385-644b8ebded8e', 'gone', 'removed', '2026-11-21 20:31:21.671838+00');
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
