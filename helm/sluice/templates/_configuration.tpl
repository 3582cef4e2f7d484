{{- /* A value as it stands in the environment. Helm reads every number of a values file as a float, and would write 67108864 as 6.7108864e+07. */ -}}
{{- define "sluice.text" -}}
{{- if kindIs "float64" . -}}
{{ int64 . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end -}}

{{- /* What is given of `config`, as texts: YAML of a map. Null and "" are not given. */ -}}
{{- define "sluice.given" -}}
{{- $given := dict -}}
{{- range $name, $value := .Values.config -}}
{{- $text := include "sluice.text" $value | trim -}}
{{- if not (or (kindIs "invalid" $value) (eq $text "")) -}}
{{- $_ := set $given $name $text -}}
{{- end -}}
{{- end -}}
{{- toYaml $given -}}
{{- end -}}

{{- /* What holds in the program: the given over its defaults. */ -}}
{{- define "sluice.effective" -}}
{{- merge (include "sluice.given" . | fromYaml) (include "sluice.defaults" . | fromYaml) | toYaml -}}
{{- end -}}

{{- /*
The variables that are files in the pod, and where each comes from: YAML of a list of {name, kind, object, key}.
`secrets.keys` names them, `secrets.values` gives them.
*/ -}}
{{- define "sluice.files" -}}
{{- $files := list -}}
{{- range $name, $key := .Values.secrets.keys -}}
{{- if kindIs "map" $key -}}
{{- $kind := hasKey $key "configMap" | ternary "configMap" "secret" -}}
{{- $files = append $files (dict "name" $name "kind" $kind "object" (get $key $kind) "key" $key.key) -}}
{{- else if $key -}}
{{- $files = append $files (dict "name" $name "kind" "secret" "object" $.Values.secrets.existingSecret "key" $key) -}}
{{- end -}}
{{- end -}}
{{- range $name, $text := .Values.secrets.values -}}
{{- if $text -}}
{{- $files = append $files (dict "name" $name "kind" "secret" "object" (include "sluice.ownSecret" $) "key" $name) -}}
{{- end -}}
{{- end -}}
{{- toYaml $files -}}
{{- end -}}

{{- /* The names of the variables that are set by `extraEnv`, NAME_FILE as NAME: YAML of a list. */ -}}
{{- define "sluice.extraNames" -}}
{{- $names := list -}}
{{- range .Values.extraEnv -}}
{{- $names = append $names (trimSuffix "_FILE" .name) -}}
{{- end -}}
{{- toYaml $names -}}
{{- end -}}
