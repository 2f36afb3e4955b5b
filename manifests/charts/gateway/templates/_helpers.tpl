{{- define "gateway.name" -}}
{{- .Values.name | default .Release.Name }}
{{- end }}

{{- /* By labels `app` and `istio` Services and Gateways find its pods. */}}
{{- define "gateway.selectorLabels" -}}
{{- $name := include "gateway.name" . }}
{{- $labels := .Values.labels | default dict -}}
app: {{ get $labels "app" | default $name | quote }}
istio: {{ get $labels "istio" | default (trimPrefix "istio-" $name) | quote }}
{{- end }}

{{- define "gateway.labels" -}}
{{- include "gateway.selectorLabels" . }}
app.kubernetes.io/name: {{ include "gateway.name" . | quote }}
{{- range $key, $value := omit (.Values.labels | default dict) "app" "istio" }}
{{ $key | quote }}: {{ $value | quote }}
{{- end }}
{{ include "lateen.labels" (dict "root" .) }}
{{- end }}

{{- define "gateway.serviceAccountName" -}}
{{- $default := .Values.serviceAccount.create | ternary (include "gateway.name" .) "default" }}
{{- .Values.serviceAccount.name | default $default }}
{{- end }}
