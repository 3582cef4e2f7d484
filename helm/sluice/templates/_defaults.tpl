{{- /* Written by `npm run generate:chart` from src/config.ts. First the defaults of the program, for the sums of _sums.tpl. */ -}}
{{- define "sluice.defaults" -}}
KAFKA_CLIENT_ID: "sluice"
KAFKA_TLS: "false"
KAFKA_ALLOW_INSECURE_SASL: "false"
KAFKA_SESSION_TIMEOUT_MS: "30000"
KAFKA_REBALANCE_TIMEOUT_MS: "60000"
SCHEMA_REGISTRY_TIMEOUT_MS: "2000"
DATABASE_POOL_MAX: "10"
MIGRATE: "true"
INBOX_RETENTION: "14d"
START_FROM: "earliest"
HTTP_HOST: "0.0.0.0"
HTTP_PORT: "8080"
IN_FLIGHT_MAX: "100"
BUFFER_RECORDS_MAX: "100000"
BUFFER_BYTES_MAX: "67108864"
PARTITION_WINDOW_MAX: "10000"
COMMIT_INTERVAL_MS: "1000"
DRAIN_TIMEOUT_MS: "20000"
DEAD_LETTER_TOPIC: "{topic}.{group}.dlt"
DEAD_LETTER_CREATE: "false"
LOG_LEVEL: "info"
SAMPLE_LOGIN_MS: "50"
SAMPLE_LOGOUT_MS: "20"
SAMPLE_ORDER_MS: "10"
{{- end -}}

{{- /* What a value must look like that may hold a secret by accident: values.schema.json would have Helm show it. */ -}}
{{- define "sluice.patterns" -}}
KAFKA_BROKERS: {"pattern":"^((\\[[0-9a-fA-F:.]+\\]|[^ :/@,]+):[0-9]{1,5}( *, *(\\[[0-9a-fA-F:.]+\\]|[^ :/@,]+):[0-9]{1,5})*)$","shape":"host:port, comma separated"}
KAFKA_OAUTH_TOKEN_URL: {"pattern":"^(https?://[^/@]+(/.*)?)$","shape":"URL"}
SCHEMA_REGISTRY_URL: {"pattern":"^(https?://[^/@]+(/.*)?)$","shape":"URL"}
{{- end -}}
