{{- /*
How KEDA logs in: YAML of a map with the trigger's `metadata` and the TriggerAuthentication's `spec`. From the same values, ConfigMap and
Secrets as the service itself; user names and secrets are taken from there only, never from a trigger's metadata.
*/ -}}
{{- define "sluice.kedaLogin" -}}
{{- $given := include "sluice.given" . | fromYaml -}}
{{- $files := dict -}}
{{- range include "sluice.files" . | fromYamlArray -}}
{{- $_ := set $files .name . -}}
{{- end -}}
{{- $metadata := dict -}}
{{- $parameters := dict -}}
{{- if eq (get $given "KAFKA_TLS") "true" -}}
{{- $_ := set $metadata "tls" "enable" -}}
{{- $_ := merge $parameters (dict "ca" "KAFKA_TLS_CA" "cert" "KAFKA_TLS_CERT" "key" "KAFKA_TLS_KEY") -}}
{{- end -}}
{{- $mechanisms := dict "plain" "plaintext" "scram-sha-256" "scram_sha256" "scram-sha-512" "scram_sha512" "oauthbearer" "oauthbearer" -}}
{{- with get $given "KAFKA_SASL_MECHANISM" -}}
{{- $_ := set $metadata "sasl" (get $mechanisms .) -}}
{{- if eq . "oauthbearer" -}}
{{- $_ := merge $parameters (dict "username" "KAFKA_OAUTH_CLIENT_ID" "password" "KAFKA_OAUTH_CLIENT_SECRET" "oauthTokenEndpointUri" "KAFKA_OAUTH_TOKEN_URL" "scopes" "KAFKA_OAUTH_SCOPE") -}}
{{- else -}}
{{- $_ := merge $parameters (dict "username" "KAFKA_SASL_USERNAME" "password" "KAFKA_SASL_PASSWORD") -}}
{{- end -}}
{{- end -}}
{{- $references := dict "secret" list "configMap" list -}}
{{- range $parameter, $variable := $parameters -}}
{{- $file := get $files $variable -}}
{{- if hasKey $given $variable -}}
{{- $file = dict "kind" "configMap" "object" (include "sluice.fullname" $) "key" $variable -}}
{{- end -}}
{{- if $file -}}
{{- $reference := dict "parameter" $parameter "name" $file.object "key" $file.key -}}
{{- $_ := set $references $file.kind (append (get $references $file.kind) $reference) -}}
{{- end -}}
{{- end -}}
{{- $spec := dict -}}
{{- with $references.secret -}}
{{- $_ := set $spec "secretTargetRef" . -}}
{{- end -}}
{{- with $references.configMap -}}
{{- $_ := set $spec "configMapTargetRef" . -}}
{{- end -}}
{{- dict "metadata" $metadata "spec" $spec | toYaml -}}
{{- end -}}
