-- One row for every event that a handler has done: written first in the handler's own transaction, so that a repeat meets it.
create table sluice.inbox (
  handler         text        not null,
  idempotency_key text        not null,
  topic           text        not null,
  partition       integer     not null,
  record_offset   bigint      not null,
  -- Tells a repeat from the same key with another payload. 0 stands for a null value.
  value_crc32     bigint      not null,
  handled_at      timestamptz not null default now(),
  primary key (handler, idempotency_key)
);

-- For the sweep, which deletes by age.
create index inbox_handled_at on sluice.inbox (handled_at);
