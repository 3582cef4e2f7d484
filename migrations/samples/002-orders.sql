-- What the handler orders keeps: each order as it stands, and the steps it took.
create table public.orders (
  order_id    text        primary key,
  customer_id text        not null,
  status      text        not null check (status in ('PLACED', 'PAID', 'SHIPPED', 'CANCELLED')),
  total_cents bigint      not null,
  updated_at  timestamptz not null
);

create table public.order_history (
  order_id    text        not null references public.orders,
  seq         integer     not null,
  status      text        not null,
  occurred_at timestamptz not null,
  primary key (order_id, seq)
);
