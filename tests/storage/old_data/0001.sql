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
    CONSTRAINT journal_kind_check CHECK ((kind = ANY (ARRAY['component'::text, 'instance'::text]))),
    CONSTRAINT journal_revision_check CHECK ((revision > 0))
);
CREATE TABLE public.leases (
    instance_uuid uuid NOT NULL,
    server_id uuid NOT NULL,
    session_epoch bigint NOT NULL,
    last_heartbeat timestamp with time zone NOT NULL
);
CREATE TABLE public.requests (
    principal text NOT NULL,
    rpc text NOT NULL,
    request_id text NOT NULL,
    body_hash text NOT NULL,
    reply text NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.tombstones (
    instance_uuid uuid NOT NULL,
    component_id text NOT NULL,
    reason text NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
INSERT INTO public.alembic_version VALUES
	('0001');
INSERT INTO public.components VALUES
	('lost', 'lost', 'Lost', 'ui', '{}', '{}', '', '{}', '2026-11-21 15:30:52.895395+00', 1),
	('renewed', 'renewed', 'Renewed', 'ui', '{}', '{}', '', '{}', '2026-11-21 15:30:52.930626+00', 4),
	('kept', 'kept', 'Kept, and renamed', 'ui', '{search}', '{lost}', '', '{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18}', '2026-11-21 15:30:52.923546+00', 8),
	('repeated', 'repeated', 'Asked twice', 'ui', '{}', '{}', '', '{}', '2026-11-21 15:30:52.972963+00', 9);
INSERT INTO public.histories VALUES
	(true, 'e55f7691', '2026-11-21 15:30:52.447993+00');
INSERT INTO public.instances VALUES
	('1598310e-428f-41f9-bdc0-9cfec8163bb5', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'stopped', '2026-11-21 15:30:52.943061+00', 'superseded', '2026-11-21 15:30:52.930626+00', NULL, '2026-11-21 15:30:52.943061+00', false, 4, 5, '675172cf4741f8de'),
	('e511bb59-8df5-4d9b-b221-d63eba1ff0f6', 'kept', 'kept', '1.0.0', 'host-1', 8500, '', 'ready', '2026-11-21 15:30:53.186537+00', 'heartbeat', '2026-11-21 15:30:52.923546+00', '2026-11-21 15:30:53.186537+00', NULL, true, 3, 10, '4608d2c8736eadca'),
	('a00f2cc2-b0da-4f0e-a916-8201a1650d0c', 'renewed', 'renewed', '1.0.0', 'host-1', 8501, '', 'ready', '2026-11-21 15:30:53.193967+00', 'heartbeat', '2026-11-21 15:30:52.943061+00', '2026-11-21 15:30:53.193967+00', NULL, true, 5, 11, '675172cf4741f8de'),
	('16a37ddd-b534-49f4-9485-a381ea88703d', 'lost', 'lost', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 15:30:55.091671+00', 'lease_expired', '2026-11-21 15:30:52.895395+00', '2026-11-21 15:30:52.915947+00', NULL, false, 1, 12, '22c1f79d4a841240'),
	('0ddaf2ea-48bf-4eab-80c1-67f447f9232c', 'repeated', 'repeated', '1.0.0', 'localhost', 0, '', 'failed', '2026-11-21 15:30:55.091671+00', 'lease_expired', '2026-11-21 15:30:52.972963+00', NULL, NULL, false, 9, 13, 'e5eefa8aea01fa72');
INSERT INTO public.journal VALUES
	(1, 0, 'component', 'lost', NULL, '{"component_id":"lost","component_name":"Lost","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T15:30:52.895395Z","revision":1}', '{"reason":"registered"}', '59d74230-4f0a-4d91-b648-414d512b9d9e', '2026-11-21 15:30:52.895395+00'),
	(1, 1, 'instance', '16a37ddd-b534-49f4-9485-a381ea88703d', NULL, '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.895395Z","reason":"registered","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"reason":"registered"}', '59d74230-4f0a-4d91-b648-414d512b9d9e', '2026-11-21 15:30:52.895395+00'),
	(2, 0, 'instance', '16a37ddd-b534-49f4-9485-a381ea88703d', '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.895395Z","reason":"registered","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":1,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T15:30:52.915947Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', '710916aa-f529-419c-b596-2ca19fa2fe17', '2026-11-21 15:30:52.915947+00'),
	(2, 1, 'instance', '16a37ddd-b534-49f4-9485-a381ea88703d', '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"initializing","state_since":"2026-11-21T15:30:52.915947Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T15:30:52.915947Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat","implied":true}', '710916aa-f529-419c-b596-2ca19fa2fe17', '2026-11-21 15:30:52.915947+00'),
	(2, 2, 'instance', '16a37ddd-b534-49f4-9485-a381ea88703d', '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"starting","state_since":"2026-11-21T15:30:52.915947Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":null,"ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T15:30:52.915947Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":"2026-11-21T15:30:52.915947Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"reason":"heartbeat"}', '710916aa-f529-419c-b596-2ca19fa2fe17', '2026-11-21 15:30:52.915947+00'),
	(3, 0, 'component', 'kept', NULL, '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T15:30:52.923546Z","revision":3}', '{"reason":"registered"}', 'ef38a59d-dc31-48f2-b103-f81a332ed327', '2026-11-21 15:30:52.923546+00'),
	(3, 1, 'instance', 'e511bb59-8df5-4d9b-b221-d63eba1ff0f6', NULL, '{"instance_uuid":"e511bb59-8df5-4d9b-b221-d63eba1ff0f6","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.923546Z","reason":"registered","registered_at":"2026-11-21T15:30:52.923546Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"reason":"registered"}', 'ef38a59d-dc31-48f2-b103-f81a332ed327', '2026-11-21 15:30:52.923546+00'),
	(4, 0, 'component', 'renewed', NULL, '{"component_id":"renewed","component_name":"Renewed","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T15:30:52.930626Z","revision":4}', '{"reason":"registered"}', '889bdbd6-ea3b-4fcc-a04c-6d5dab7dac02', '2026-11-21 15:30:52.930626+00'),
	(4, 1, 'instance', '1598310e-428f-41f9-bdc0-9cfec8163bb5', NULL, '{"instance_uuid":"1598310e-428f-41f9-bdc0-9cfec8163bb5","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.930626Z","reason":"registered","registered_at":"2026-11-21T15:30:52.930626Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '889bdbd6-ea3b-4fcc-a04c-6d5dab7dac02', '2026-11-21 15:30:52.930626+00'),
	(5, 0, 'instance', '1598310e-428f-41f9-bdc0-9cfec8163bb5', '{"instance_uuid":"1598310e-428f-41f9-bdc0-9cfec8163bb5","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.930626Z","reason":"registered","registered_at":"2026-11-21T15:30:52.930626Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":4,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"1598310e-428f-41f9-bdc0-9cfec8163bb5","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T15:30:52.943061Z","reason":"superseded","registered_at":"2026-11-21T15:30:52.930626Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', '387337b9-9231-46a9-a04b-01a6f75d45bc', '2026-11-21 15:30:52.943061+00'),
	(5, 1, 'instance', '1598310e-428f-41f9-bdc0-9cfec8163bb5', '{"instance_uuid":"1598310e-428f-41f9-bdc0-9cfec8163bb5","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"failed","state_since":"2026-11-21T15:30:52.943061Z","reason":"superseded","registered_at":"2026-11-21T15:30:52.930626Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"1598310e-428f-41f9-bdc0-9cfec8163bb5","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T15:30:52.943061Z","reason":"superseded","registered_at":"2026-11-21T15:30:52.930626Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","implied":true,"evidence":{"by":"renewed"}}', '387337b9-9231-46a9-a04b-01a6f75d45bc', '2026-11-21 15:30:52.943061+00'),
	(10, 0, 'instance', 'e511bb59-8df5-4d9b-b221-d63eba1ff0f6', '{"instance_uuid":"e511bb59-8df5-4d9b-b221-d63eba1ff0f6","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.923546Z","reason":"registered","registered_at":"2026-11-21T15:30:52.923546Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":3,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"e511bb59-8df5-4d9b-b221-d63eba1ff0f6","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T15:30:53.186537Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.923546Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'bc58bbe6-67c6-48ea-8b0a-afedf16c0b6f', '2026-11-21 15:30:53.186537+00'),
	(5, 2, 'instance', '1598310e-428f-41f9-bdc0-9cfec8163bb5', '{"instance_uuid":"1598310e-428f-41f9-bdc0-9cfec8163bb5","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopping","state_since":"2026-11-21T15:30:52.943061Z","reason":"superseded","registered_at":"2026-11-21T15:30:52.930626Z","ready_at":null,"ended_at":null,"leased":true,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"1598310e-428f-41f9-bdc0-9cfec8163bb5","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"stopped","state_since":"2026-11-21T15:30:52.943061Z","reason":"superseded","registered_at":"2026-11-21T15:30:52.930626Z","ready_at":null,"ended_at":"2026-11-21T15:30:52.943061Z","leased":false,"granted":4,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"superseded","evidence":{"by":"renewed"}}', '387337b9-9231-46a9-a04b-01a6f75d45bc', '2026-11-21 15:30:52.943061+00'),
	(5, 3, 'instance', 'a00f2cc2-b0da-4f0e-a916-8201a1650d0c', NULL, '{"instance_uuid":"a00f2cc2-b0da-4f0e-a916-8201a1650d0c","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.943061Z","reason":"registered","registered_at":"2026-11-21T15:30:52.943061Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"reason":"registered"}', '387337b9-9231-46a9-a04b-01a6f75d45bc', '2026-11-21 15:30:52.943061+00'),
	(6, 0, 'component', 'gone', NULL, '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T15:30:52.953340Z","revision":6}', '{"reason":"registered"}', '5254a2e0-7d89-4ac2-bd50-6d41922e3a5d', '2026-11-21 15:30:52.95334+00'),
	(6, 1, 'instance', '3c09005c-03d0-48f0-a0c7-0325b7c007c7', NULL, '{"instance_uuid":"3c09005c-03d0-48f0-a0c7-0325b7c007c7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.953340Z","reason":"registered","registered_at":"2026-11-21T15:30:52.953340Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"registered"}', '5254a2e0-7d89-4ac2-bd50-6d41922e3a5d', '2026-11-21 15:30:52.95334+00'),
	(7, 0, 'instance', '3c09005c-03d0-48f0-a0c7-0325b7c007c7', '{"instance_uuid":"3c09005c-03d0-48f0-a0c7-0325b7c007c7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.953340Z","reason":"registered","registered_at":"2026-11-21T15:30:52.953340Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":6,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"3c09005c-03d0-48f0-a0c7-0325b7c007c7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T15:30:52.959909Z","reason":"removed","registered_at":"2026-11-21T15:30:52.953340Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '2c756916-ed4e-4acf-ac17-a9c629c7c30a', '2026-11-21 15:30:52.959909+00'),
	(7, 1, 'instance', '3c09005c-03d0-48f0-a0c7-0325b7c007c7', '{"instance_uuid":"3c09005c-03d0-48f0-a0c7-0325b7c007c7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T15:30:52.959909Z","reason":"removed","registered_at":"2026-11-21T15:30:52.953340Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"3c09005c-03d0-48f0-a0c7-0325b7c007c7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T15:30:52.959909Z","reason":"removed","registered_at":"2026-11-21T15:30:52.953340Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed","implied":true}', '2c756916-ed4e-4acf-ac17-a9c629c7c30a', '2026-11-21 15:30:52.959909+00'),
	(7, 2, 'instance', '3c09005c-03d0-48f0-a0c7-0325b7c007c7', '{"instance_uuid":"3c09005c-03d0-48f0-a0c7-0325b7c007c7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopping","state_since":"2026-11-21T15:30:52.959909Z","reason":"removed","registered_at":"2026-11-21T15:30:52.953340Z","ready_at":null,"ended_at":null,"leased":true,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"instance_uuid":"3c09005c-03d0-48f0-a0c7-0325b7c007c7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T15:30:52.959909Z","reason":"removed","registered_at":"2026-11-21T15:30:52.953340Z","ready_at":null,"ended_at":"2026-11-21T15:30:52.959909Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', '{"reason":"removed"}', '2c756916-ed4e-4acf-ac17-a9c629c7c30a', '2026-11-21 15:30:52.959909+00'),
	(7, 3, 'instance', '3c09005c-03d0-48f0-a0c7-0325b7c007c7', '{"instance_uuid":"3c09005c-03d0-48f0-a0c7-0325b7c007c7","component_id":"gone","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"stopped","state_since":"2026-11-21T15:30:52.959909Z","reason":"removed","registered_at":"2026-11-21T15:30:52.953340Z","ready_at":null,"ended_at":"2026-11-21T15:30:52.959909Z","leased":false,"granted":6,"revision":7,"fingerprint":"f56e91d0d3e199be"}', NULL, '{"reason":"removed"}', '2c756916-ed4e-4acf-ac17-a9c629c7c30a', '2026-11-21 15:30:52.959909+00'),
	(7, 4, 'component', 'gone', '{"component_id":"gone","component_name":"Gone","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T15:30:52.953340Z","revision":6}', NULL, '{"reason":"removed"}', '2c756916-ed4e-4acf-ac17-a9c629c7c30a', '2026-11-21 15:30:52.959909+00'),
	(8, 0, 'component', 'kept', '{"component_id":"kept","component_name":"Kept","component_type":"ui","capabilities":["memory_storage","search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T15:30:52.923546Z","revision":3}', '{"component_id":"kept","component_name":"Kept, and renamed","component_type":"ui","capabilities":["search"],"dependencies":["lost"],"health_check":"","metadata":{"ü":{"deep":[1,2.5,null,"☃"]},"big":1.152921504606847e18},"created_at":"2026-11-21T15:30:52.923546Z","revision":8}', '{"reason":"updated"}', '7f68954d-feae-43ac-ad88-65d35e266416', '2026-11-21 15:30:52.966557+00'),
	(9, 0, 'component', 'repeated', NULL, '{"component_id":"repeated","component_name":"Asked twice","component_type":"ui","capabilities":[],"dependencies":[],"health_check":"","metadata":{},"created_at":"2026-11-21T15:30:52.972963Z","revision":9}', '{"reason":"registered"}', '66b550d7-7783-4ce4-bf91-7d8a3c404820', '2026-11-21 15:30:52.972963+00'),
	(9, 1, 'instance', '0ddaf2ea-48bf-4eab-80c1-67f447f9232c', NULL, '{"instance_uuid":"0ddaf2ea-48bf-4eab-80c1-67f447f9232c","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.972963Z","reason":"registered","registered_at":"2026-11-21T15:30:52.972963Z","ready_at":null,"ended_at":null,"leased":true,"granted":9,"revision":9,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"registered"}', '66b550d7-7783-4ce4-bf91-7d8a3c404820', '2026-11-21 15:30:52.972963+00'),
	(10, 1, 'instance', 'e511bb59-8df5-4d9b-b221-d63eba1ff0f6', '{"instance_uuid":"e511bb59-8df5-4d9b-b221-d63eba1ff0f6","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"initializing","state_since":"2026-11-21T15:30:53.186537Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.923546Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"e511bb59-8df5-4d9b-b221-d63eba1ff0f6","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T15:30:53.186537Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.923546Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat","implied":true}', 'bc58bbe6-67c6-48ea-8b0a-afedf16c0b6f', '2026-11-21 15:30:53.186537+00'),
	(10, 2, 'instance', 'e511bb59-8df5-4d9b-b221-d63eba1ff0f6', '{"instance_uuid":"e511bb59-8df5-4d9b-b221-d63eba1ff0f6","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"starting","state_since":"2026-11-21T15:30:53.186537Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.923546Z","ready_at":null,"ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"instance_uuid":"e511bb59-8df5-4d9b-b221-d63eba1ff0f6","component_id":"kept","version":"1.0.0","host":"host-1","port":8500,"machine":"","state":"ready","state_since":"2026-11-21T15:30:53.186537Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.923546Z","ready_at":"2026-11-21T15:30:53.186537Z","ended_at":null,"leased":true,"granted":3,"revision":10,"fingerprint":"4608d2c8736eadca"}', '{"reason":"heartbeat"}', 'bc58bbe6-67c6-48ea-8b0a-afedf16c0b6f', '2026-11-21 15:30:53.186537+00'),
	(11, 0, 'instance', 'a00f2cc2-b0da-4f0e-a916-8201a1650d0c', '{"instance_uuid":"a00f2cc2-b0da-4f0e-a916-8201a1650d0c","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.943061Z","reason":"registered","registered_at":"2026-11-21T15:30:52.943061Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":5,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"a00f2cc2-b0da-4f0e-a916-8201a1650d0c","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T15:30:53.193967Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.943061Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', 'e7a130dd-44a1-4e2a-9b5e-fbd15e7b70dc', '2026-11-21 15:30:53.193967+00'),
	(11, 1, 'instance', 'a00f2cc2-b0da-4f0e-a916-8201a1650d0c', '{"instance_uuid":"a00f2cc2-b0da-4f0e-a916-8201a1650d0c","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"initializing","state_since":"2026-11-21T15:30:53.193967Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.943061Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"a00f2cc2-b0da-4f0e-a916-8201a1650d0c","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T15:30:53.193967Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.943061Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat","implied":true}', 'e7a130dd-44a1-4e2a-9b5e-fbd15e7b70dc', '2026-11-21 15:30:53.193967+00'),
	(11, 2, 'instance', 'a00f2cc2-b0da-4f0e-a916-8201a1650d0c', '{"instance_uuid":"a00f2cc2-b0da-4f0e-a916-8201a1650d0c","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"starting","state_since":"2026-11-21T15:30:53.193967Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.943061Z","ready_at":null,"ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"instance_uuid":"a00f2cc2-b0da-4f0e-a916-8201a1650d0c","component_id":"renewed","version":"1.0.0","host":"host-1","port":8501,"machine":"","state":"ready","state_since":"2026-11-21T15:30:53.193967Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.943061Z","ready_at":"2026-11-21T15:30:53.193967Z","ended_at":null,"leased":true,"granted":5,"revision":11,"fingerprint":"675172cf4741f8de"}', '{"reason":"heartbeat"}', 'e7a130dd-44a1-4e2a-9b5e-fbd15e7b70dc', '2026-11-21 15:30:53.193967+00'),
	(12, 0, 'instance', '16a37ddd-b534-49f4-9485-a381ea88703d', '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"ready","state_since":"2026-11-21T15:30:52.915947Z","reason":"heartbeat","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":"2026-11-21T15:30:52.915947Z","ended_at":null,"leased":true,"granted":1,"revision":2,"fingerprint":"22c1f79d4a841240"}', '{"instance_uuid":"16a37ddd-b534-49f4-9485-a381ea88703d","component_id":"lost","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T15:30:55.091671Z","reason":"lease_expired","registered_at":"2026-11-21T15:30:52.895395Z","ready_at":"2026-11-21T15:30:52.915947Z","ended_at":null,"leased":false,"granted":1,"revision":12,"fingerprint":"22c1f79d4a841240"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T15:30:52.915428Z","silent_seconds":2.176,"timeout_seconds":2.0,"stream":"closed"}}', '37a7c61a-27b6-41b0-8761-ecd8c089f56f', '2026-11-21 15:30:55.091671+00'),
	(13, 0, 'instance', '0ddaf2ea-48bf-4eab-80c1-67f447f9232c', '{"instance_uuid":"0ddaf2ea-48bf-4eab-80c1-67f447f9232c","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.972963Z","reason":"registered","registered_at":"2026-11-21T15:30:52.972963Z","ready_at":null,"ended_at":null,"leased":true,"granted":9,"revision":9,"fingerprint":"e5eefa8aea01fa72"}', '{"instance_uuid":"0ddaf2ea-48bf-4eab-80c1-67f447f9232c","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"failed","state_since":"2026-11-21T15:30:55.091671Z","reason":"lease_expired","registered_at":"2026-11-21T15:30:52.972963Z","ready_at":null,"ended_at":null,"leased":false,"granted":9,"revision":13,"fingerprint":"e5eefa8aea01fa72"}', '{"reason":"lease_expired","evidence":{"last_heartbeat":"2026-11-21T15:30:52.972963Z","silent_seconds":2.115,"timeout_seconds":2.0,"stream":"closed"}}', '37a7c61a-27b6-41b0-8761-ecd8c089f56f', '2026-11-21 15:30:55.091671+00');
INSERT INTO public.leases VALUES
	('0ddaf2ea-48bf-4eab-80c1-67f447f9232c', 'e8705d15-2ee1-42c9-a37a-6c7ca3c7f4dc', 0, '2026-11-21 15:30:52.972963+00'),
	('1598310e-428f-41f9-bdc0-9cfec8163bb5', 'e8705d15-2ee1-42c9-a37a-6c7ca3c7f4dc', 0, '2026-11-21 15:30:52.930626+00'),
	('16a37ddd-b534-49f4-9485-a381ea88703d', 'e8705d15-2ee1-42c9-a37a-6c7ca3c7f4dc', 0, '2026-11-21 15:30:52.915428+00'),
	('a00f2cc2-b0da-4f0e-a916-8201a1650d0c', 'e8705d15-2ee1-42c9-a37a-6c7ca3c7f4dc', 0, '2026-11-21 15:30:55.169901+00'),
	('e511bb59-8df5-4d9b-b221-d63eba1ff0f6', 'e8705d15-2ee1-42c9-a37a-6c7ca3c7f4dc', 0, '2026-11-21 15:30:55.165892+00');
INSERT INTO public.requests VALUES
	('', 'RegisterComponentRequest', 'the-same-request', '3a39f4693cb01679c721567f2748e065', '{"instance":{"instance_uuid":"0ddaf2ea-48bf-4eab-80c1-67f447f9232c","component_id":"repeated","version":"1.0.0","host":"localhost","port":0,"machine":"","state":"registering","state_since":"2026-11-21T15:30:52.972963Z","reason":"registered","registered_at":"2026-11-21T15:30:52.972963Z","ready_at":null,"ended_at":null,"leased":true,"granted":9,"revision":9,"fingerprint":"e5eefa8aea01fa72"},"created":true}', '2026-11-21 15:30:52.974648+00');
INSERT INTO public.tombstones VALUES
	('3c09005c-03d0-48f0-a0c7-0325b7c007c7', 'gone', 'removed', '2026-11-21 15:30:52.960668+00');
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
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
ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (instance_uuid);
CREATE INDEX requests_recorded_at_idx ON public.requests USING btree (recorded_at);
CREATE INDEX tombstones_recorded_at_idx ON public.tombstones USING btree (recorded_at);
ALTER TABLE ONLY public.instances
    ADD CONSTRAINT instances_key_fkey FOREIGN KEY (key) REFERENCES public.components(key);
