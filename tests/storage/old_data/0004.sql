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
	('089efcdf-15ae-5539-a559-0ef500df039f', 'kept', '290ed930-0f04-48b9-958e-0dd321eaecf5', 3, 'reload', '{}', '2026-11-21 22:30:04.443603+00', '2026-11-21 22:30:05.443603+00', 'accepted', '', 10);
INSERT INTO public.components VALUES
	('lost', 'lost', 'Lost', 'ui', '{}', '{}', '', '{}', '2026-11-21 22:30:04.387573+00', 1),
	('renewed', 'renewed', 'Renewed', 'ui', '{}', '{}', '', '{}', '2026-11-21 22:30:04.414029+00', 4),
	('kept', 'kept', 'Kept, and renamed', 'ui', '{search}', '{lost}', '', '{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18}', '2026-11-21 22:30:04.407037+00', 8),
	('repeated', 'repeated', 'Asked twice', 'ui', '{}', '{}', '', '{}', '2026-11-21 22:30:04.453279+00', 11);
INSERT INTO public.histories VALUES
	(true, 'b8e3f9f0', '2026-11-21 22:30:04.085476+00');
INSERT INTO public.instances VALUES
	('d10b0ce1-8cd2-424e-8c31-9c3c42fb134a', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'stopped', '2026-11-21 22:30:04.420996+00', 'superseded', '2026-11-21 22:30:04.414029+00', NULL, '2026-11-21 22:30:04.420996+00', false, 4, 5, '675172cf4741f8de'),
	('290ed930-0f04-48b9-958e-0dd321eaecf5', 'kept', 'kept', '1.0.0', 'host-1', 8500, '', 'ready', '2026-11-21 22:30:04.671414+00', 'heartbeat', '2026-11-21 22:30:04.407037+00', '2026-11-21 22:30:04.671414+00', NULL, true, 3, 12, '4608d2c8736eadca'),
	('e456a3d6-a03b-49fa-8f61-59f478e76349', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'ready', '2026-11-21 22:30:04.679024+00', 'heartbeat', '2026-11-21 22:30:04.420996+00', '2026-11-21 22:30:04.679024+00', NULL, true, 5, 13, '675172cf4741f8de'),
	('745e4a7e-4d3e-4528-a31f-5bf33c23433e', 'lost', 'lost', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 22:30:06.592599+00', 'lease_expired', '2026-11-21 22:30:04.387573+00', '2026-11-21 22:30:04.40207+00', NULL, false, 1, 14, '22c1f79d4a841240'),
	('0d521965-7a8e-46a5-9ff7-969f2986d54f', 'repeated', 'repeated', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 22:30:06.592599+00', 'lease_expired', '2026-11-21 22:30:04.453279+00', NULL, NULL, false, 11, 15, 'e5eefa8aea01fa72');
INSERT INTO public.journal VALUES
	(1, 0, 'component', 'lost', NULL, '{"component_id":"lost","component_name":"Lost","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:30:04.387573Z","revision":1}', '{"reason":"registered"}', '2f7b3291-cad5-4556-8c0a-f9555d3a5d9e', '2026-11-21 22:30:04.387573+00'),
	(1, 1, 'instance', '745e4a7e-4d3e-4528-a31f-5bf33c23433e', NULL, '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.387573Z","reason":"registered","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"reason":"registered"}', '2f7b3291-cad5-4556-8c0a-f9555d3a5d9e', '2026-11-21 22:30:04.387573+00'),
	(2, 0, 'instance', '745e4a7e-4d3e-4528-a31f-5bf33c23433e', '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.387573Z","reason":"registered","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T22:30:04.402070Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', 'fa7090f7-b879-4c92-8dd0-c4859c143136', '2026-11-21 22:30:04.40207+00'),
	(2, 1, 'instance', '745e4a7e-4d3e-4528-a31f-5bf33c23433e', '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T22:30:04.402070Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T22:30:04.402070Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', 'fa7090f7-b879-4c92-8dd0-c4859c143136', '2026-11-21 22:30:04.40207+00'),
	(2, 2, 'instance', '745e4a7e-4d3e-4528-a31f-5bf33c23433e', '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T22:30:04.402070Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T22:30:04.402070Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":"2026-11-21T22:30:04.402070Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat"}', 'fa7090f7-b879-4c92-8dd0-c4859c143136', '2026-11-21 22:30:04.40207+00'),
	(3, 0, 'component', 'kept', NULL, '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T22:30:04.407037Z","revision":3}', '{"reason":"registered"}', '177e6581-0d2a-430b-b580-d103396f2365', '2026-11-21 22:30:04.407037+00'),
	(3, 1, 'instance', '290ed930-0f04-48b9-958e-0dd321eaecf5', NULL, '{"instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.407037Z","reason":"registered","registered_at":"2026-11-21T22:30:04.407037Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"reason":"registered"}', '177e6581-0d2a-430b-b580-d103396f2365', '2026-11-21 22:30:04.407037+00'),
	(4, 0, 'component', 'renewed', NULL, '{"component_id":"renewed","component_name":"Renewed","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:30:04.414029Z","revision":4}', '{"reason":"registered"}', 'fbf22724-6a67-409d-a30d-afa3450307ba', '2026-11-21 22:30:04.414029+00'),
	(4, 1, 'instance', 'd10b0ce1-8cd2-424e-8c31-9c3c42fb134a', NULL, '{"instance_uuid":"d10b0ce1-8cd2-424e-8c31-9c3c42fb134a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.414029Z","reason":"registered","registered_at":"2026-11-21T22:30:04.414029Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', 'fbf22724-6a67-409d-a30d-afa3450307ba', '2026-11-21 22:30:04.414029+00'),
	(5, 0, 'instance', 'd10b0ce1-8cd2-424e-8c31-9c3c42fb134a', '{"instance_uuid":"d10b0ce1-8cd2-424e-8c31-9c3c42fb134a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.414029Z","reason":"registered","registered_at":"2026-11-21T22:30:04.414029Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"d10b0ce1-8cd2-424e-8c31-9c3c42fb134a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T22:30:04.420996Z","reason":"superseded","registered_at":"2026-11-21T22:30:04.414029Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', 'bd10262c-ff73-43ad-8b87-416f65b98b74', '2026-11-21 22:30:04.420996+00'),
	(5, 1, 'instance', 'd10b0ce1-8cd2-424e-8c31-9c3c42fb134a', '{"instance_uuid":"d10b0ce1-8cd2-424e-8c31-9c3c42fb134a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T22:30:04.420996Z","reason":"superseded","registered_at":"2026-11-21T22:30:04.414029Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"d10b0ce1-8cd2-424e-8c31-9c3c42fb134a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T22:30:04.420996Z","reason":"superseded","registered_at":"2026-11-21T22:30:04.414029Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', 'bd10262c-ff73-43ad-8b87-416f65b98b74', '2026-11-21 22:30:04.420996+00'),
	(11, 1, 'instance', '0d521965-7a8e-46a5-9ff7-969f2986d54f', NULL, '{"instance_uuid":"0d521965-7a8e-46a5-9ff7-969f2986d54f","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.453279Z","reason":"registered","registered_at":"2026-11-21T22:30:04.453279Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"registered"}', 'dc165353-8c0f-446c-ac29-d56da19d5535', '2026-11-21 22:30:04.453279+00'),
	(5, 2, 'instance', 'd10b0ce1-8cd2-424e-8c31-9c3c42fb134a', '{"instance_uuid":"d10b0ce1-8cd2-424e-8c31-9c3c42fb134a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T22:30:04.420996Z","reason":"superseded","registered_at":"2026-11-21T22:30:04.414029Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"d10b0ce1-8cd2-424e-8c31-9c3c42fb134a","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopped","state_since":"2026-11-21T22:30:04.420996Z","reason":"superseded","registered_at":"2026-11-21T22:30:04.414029Z","ready_at":null,"ended_at":"2026-11-21T22:30:04.420996Z","leased":false,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","evidence":{"by":"renewed"}}', 'bd10262c-ff73-43ad-8b87-416f65b98b74', '2026-11-21 22:30:04.420996+00'),
	(5, 3, 'instance', 'e456a3d6-a03b-49fa-8f61-59f478e76349', NULL, '{"instance_uuid":"e456a3d6-a03b-49fa-8f61-59f478e76349","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.420996Z","reason":"registered","registered_at":"2026-11-21T22:30:04.420996Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', 'bd10262c-ff73-43ad-8b87-416f65b98b74', '2026-11-21 22:30:04.420996+00'),
	(6, 0, 'component', 'gone', NULL, '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:30:04.428040Z","revision":6}', '{"reason":"registered"}', '09718fb9-84d3-4a76-acfd-68566686c523', '2026-11-21 22:30:04.42804+00'),
	(6, 1, 'instance', '047870b6-90d8-413e-b4bf-33e267afadb7', NULL, '{"instance_uuid":"047870b6-90d8-413e-b4bf-33e267afadb7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.428040Z","reason":"registered","registered_at":"2026-11-21T22:30:04.428040Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"registered"}', '09718fb9-84d3-4a76-acfd-68566686c523', '2026-11-21 22:30:04.42804+00'),
	(7, 0, 'instance', '047870b6-90d8-413e-b4bf-33e267afadb7', '{"instance_uuid":"047870b6-90d8-413e-b4bf-33e267afadb7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.428040Z","reason":"registered","registered_at":"2026-11-21T22:30:04.428040Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"047870b6-90d8-413e-b4bf-33e267afadb7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T22:30:04.433144Z","reason":"removed","registered_at":"2026-11-21T22:30:04.428040Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '6c5102fd-949b-4456-801f-ce3204e85e5c', '2026-11-21 22:30:04.433144+00'),
	(7, 1, 'instance', '047870b6-90d8-413e-b4bf-33e267afadb7', '{"instance_uuid":"047870b6-90d8-413e-b4bf-33e267afadb7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T22:30:04.433144Z","reason":"removed","registered_at":"2026-11-21T22:30:04.428040Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"047870b6-90d8-413e-b4bf-33e267afadb7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T22:30:04.433144Z","reason":"removed","registered_at":"2026-11-21T22:30:04.428040Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '6c5102fd-949b-4456-801f-ce3204e85e5c', '2026-11-21 22:30:04.433144+00'),
	(7, 2, 'instance', '047870b6-90d8-413e-b4bf-33e267afadb7', '{"instance_uuid":"047870b6-90d8-413e-b4bf-33e267afadb7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T22:30:04.433144Z","reason":"removed","registered_at":"2026-11-21T22:30:04.428040Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"047870b6-90d8-413e-b4bf-33e267afadb7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T22:30:04.433144Z","reason":"removed","registered_at":"2026-11-21T22:30:04.428040Z","ready_at":null,"ended_at":"2026-11-21T22:30:04.433144Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed"}', '6c5102fd-949b-4456-801f-ce3204e85e5c', '2026-11-21 22:30:04.433144+00'),
	(7, 3, 'instance', '047870b6-90d8-413e-b4bf-33e267afadb7', '{"instance_uuid":"047870b6-90d8-413e-b4bf-33e267afadb7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T22:30:04.433144Z","reason":"removed","registered_at":"2026-11-21T22:30:04.428040Z","ready_at":null,"ended_at":"2026-11-21T22:30:04.433144Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', NULL, '{"reason":"removed"}', '6c5102fd-949b-4456-801f-ce3204e85e5c', '2026-11-21 22:30:04.433144+00'),
	(7, 4, 'component', 'gone', '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:30:04.428040Z","revision":6}', NULL, '{"reason":"removed"}', '6c5102fd-949b-4456-801f-ce3204e85e5c', '2026-11-21 22:30:04.433144+00'),
	(8, 0, 'component', 'kept', '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T22:30:04.407037Z","revision":3}', '{"component_id":"kept","component_name":"Kept, and renamed","component_type":"ui","capabilities":["search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T22:30:04.407037Z","revision":8}', '{"reason":"updated"}', 'b18b0395-51db-42d8-a5c2-993ae0c84162', '2026-11-21 22:30:04.438332+00'),
	(9, 0, 'command', '089efcdf-15ae-5539-a559-0ef500df039f', NULL, '{"command_id":"089efcdf-15ae-5539-a559-0ef500df039f","component_id":"kept","instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T22:30:04.443603Z","deadline":"2026-11-21T22:30:05.443603Z","state":"pending","message":"","revision":9}', '{"reason":"posted"}', '77403d8d-b4b2-4324-ad64-602b465ed071', '2026-11-21 22:30:04.443603+00'),
	(10, 0, 'command', '089efcdf-15ae-5539-a559-0ef500df039f', '{"command_id":"089efcdf-15ae-5539-a559-0ef500df039f","component_id":"kept","instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T22:30:04.443603Z","deadline":"2026-11-21T22:30:05.443603Z","state":"pending","message":"","revision":9}', '{"command_id":"089efcdf-15ae-5539-a559-0ef500df039f","component_id":"kept","instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","granted":3,"kind":"reload","arguments":{},"issued_at":"2026-11-21T22:30:04.443603Z","deadline":"2026-11-21T22:30:05.443603Z","state":"accepted","message":"","revision":10}', '{"reason":"acknowledged"}', 'a5293ffa-13ed-46fa-bda1-189258d4bae7', '2026-11-21 22:30:04.448352+00'),
	(11, 0, 'component', 'repeated', NULL, '{"component_id":"repeated","component_name":"Asked twice","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T22:30:04.453279Z","revision":11}', '{"reason":"registered"}', 'dc165353-8c0f-446c-ac29-d56da19d5535', '2026-11-21 22:30:04.453279+00'),
	(12, 0, 'instance', '290ed930-0f04-48b9-958e-0dd321eaecf5', '{"instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.407037Z","reason":"registered","registered_at":"2026-11-21T22:30:04.407037Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T22:30:04.671414Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.407037Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'a853dfc5-3388-4595-b7b8-4c2f1bd7fb9f', '2026-11-21 22:30:04.671414+00'),
	(12, 1, 'instance', '290ed930-0f04-48b9-958e-0dd321eaecf5', '{"instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T22:30:04.671414Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.407037Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T22:30:04.671414Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.407037Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'a853dfc5-3388-4595-b7b8-4c2f1bd7fb9f', '2026-11-21 22:30:04.671414+00'),
	(12, 2, 'instance', '290ed930-0f04-48b9-958e-0dd321eaecf5', '{"instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T22:30:04.671414Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.407037Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"290ed930-0f04-48b9-958e-0dd321eaecf5","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"ready","state_since":"2026-11-21T22:30:04.671414Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.407037Z","ready_at":"2026-11-21T22:30:04.671414Z","ended_at":null,"leased":true,"granted":3,"revision":12,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat"}', 'a853dfc5-3388-4595-b7b8-4c2f1bd7fb9f', '2026-11-21 22:30:04.671414+00'),
	(13, 0, 'instance', 'e456a3d6-a03b-49fa-8f61-59f478e76349', '{"instance_uuid":"e456a3d6-a03b-49fa-8f61-59f478e76349","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.420996Z","reason":"registered","registered_at":"2026-11-21T22:30:04.420996Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"e456a3d6-a03b-49fa-8f61-59f478e76349","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T22:30:04.679024Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.420996Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', 'c4edaa61-f145-4a0b-87bc-385b34348dba', '2026-11-21 22:30:04.679024+00'),
	(13, 1, 'instance', 'e456a3d6-a03b-49fa-8f61-59f478e76349', '{"instance_uuid":"e456a3d6-a03b-49fa-8f61-59f478e76349","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T22:30:04.679024Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.420996Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"e456a3d6-a03b-49fa-8f61-59f478e76349","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T22:30:04.679024Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.420996Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', 'c4edaa61-f145-4a0b-87bc-385b34348dba', '2026-11-21 22:30:04.679024+00'),
	(13, 2, 'instance', 'e456a3d6-a03b-49fa-8f61-59f478e76349', '{"instance_uuid":"e456a3d6-a03b-49fa-8f61-59f478e76349","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T22:30:04.679024Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.420996Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"e456a3d6-a03b-49fa-8f61-59f478e76349","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"ready","state_since":"2026-11-21T22:30:04.679024Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.420996Z","ready_at":"2026-11-21T22:30:04.679024Z","ended_at":null,"leased":true,"granted":5,"revision":13,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat"}', 'c4edaa61-f145-4a0b-87bc-385b34348dba', '2026-11-21 22:30:04.679024+00'),
	(14, 0, 'instance', '745e4a7e-4d3e-4528-a31f-5bf33c23433e', '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T22:30:04.402070Z","reason":"heartbeat","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":"2026-11-21T22:30:04.402070Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"745e4a7e-4d3e-4528-a31f-5bf33c23433e","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T22:30:06.592599Z","reason":"lease_expired","registered_at":"2026-11-21T22:30:04.387573Z","ready_at":"2026-11-21T22:30:04.402070Z","ended_at":null,"leased":false,"granted":1,"revision":14,"fingerprint":"22c1f79d4a841240"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T22:30:04.401715Z","silent_seconds":2.189,"timeout_seconds":2.0,"stream":"closed"}}', 'dcafc442-7e0b-43f8-bdb7-1db80797a4be', '2026-11-21 22:30:06.592599+00'),
	(15, 0, 'instance', '0d521965-7a8e-46a5-9ff7-969f2986d54f', '{"instance_uuid":"0d521965-7a8e-46a5-9ff7-969f2986d54f","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.453279Z","reason":"registered","registered_at":"2026-11-21T22:30:04.453279Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"}', '{"instance_uuid":"0d521965-7a8e-46a5-9ff7-969f2986d54f","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T22:30:06.592599Z","reason":"lease_expired","registered_at":"2026-11-21T22:30:04.453279Z","ready_at":null,"ended_at":null,"leased":false,"granted":11,"revision":15,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T22:30:04.453279Z","silent_seconds":2.135,"timeout_seconds":2.0,"stream":"closed"}}', 'dcafc442-7e0b-43f8-bdb7-1db80797a4be', '2026-11-21 22:30:06.592599+00');
INSERT INTO public.leases VALUES
	('0d521965-7a8e-46a5-9ff7-969f2986d54f', '282f61ef-5f22-45fc-aea6-e11b67aa130c', 0, '2026-11-21 22:30:04.453279+00', NULL, 1, 770, '282f61ef-5f22-45fc-aea6-e11b67aa130c'),
	('745e4a7e-4d3e-4528-a31f-5bf33c23433e', '282f61ef-5f22-45fc-aea6-e11b67aa130c', 0, '2026-11-21 22:30:04.401715+00', NULL, 1, 770, '282f61ef-5f22-45fc-aea6-e11b67aa130c'),
	('d10b0ce1-8cd2-424e-8c31-9c3c42fb134a', '282f61ef-5f22-45fc-aea6-e11b67aa130c', 0, '2026-11-21 22:30:04.414029+00', NULL, 1, 770, '282f61ef-5f22-45fc-aea6-e11b67aa130c'),
	('290ed930-0f04-48b9-958e-0dd321eaecf5', '282f61ef-5f22-45fc-aea6-e11b67aa130c', 0, '2026-11-21 22:30:06.597377+00', NULL, 5, 788, '282f61ef-5f22-45fc-aea6-e11b67aa130c'),
	('e456a3d6-a03b-49fa-8f61-59f478e76349', '282f61ef-5f22-45fc-aea6-e11b67aa130c', 0, '2026-11-21 22:30:06.602383+00', NULL, 5, 788, '282f61ef-5f22-45fc-aea6-e11b67aa130c');
INSERT INTO public.requests VALUES
	('', 'RegisterComponentRequest', 'the-same-request', '3a39f4693cb01679c721567f2748e065', '{"instance":{"instance_uuid":"0d521965-7a8e-46a5-9ff7-969f2986d54f","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T22:30:04.453279Z","reason":"registered","registered_at":"2026-11-21T22:30:04.453279Z","ready_at":null,"ended_at":null,"leased":true,"granted":11,"revision":11,"fingerprint":"e5eefa8aea01fa72"},"created":true}', '2026-11-21 22:30:04.45482+00');
INSERT INTO public.tombstones VALUES
	('047870b6-90d8-413e-b4bf-33e267afadb7', 'gone', 'removed', '2026-11-21 22:30:04.43377+00');
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
