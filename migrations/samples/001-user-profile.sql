-- What the handler user-activity keeps of each user.
create table public.user_profile (
  user_id        text        primary key,
  logins         bigint      not null default 0,
  logouts        bigint      not null default 0,
  last_login_at  timestamptz,
  last_logout_at timestamptz,
  last_seen_at   timestamptz not null
);
