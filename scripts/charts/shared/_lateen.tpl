{{- /* The same in all charts: scripts/charts/shared. */ -}}

{{- /* Lays the second of a list of two maps over the first, in place: null takes a key away. */}}
{{- define "lateen.overlay" -}}
{{- $basis := index . 0 }}
{{- range $key, $value := index . 1 }}
{{- $before := get $basis $key }}
{{- if kindIs "invalid" $value }}
{{- $_ := unset $basis $key }}
{{- else if and (kindIs "map" $value) (kindIs "map" $before) }}
{{- include "lateen.overlay" (list $before $value) }}
{{- else }}
{{- $_ := set $basis $key $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Both maps of a list of two as YAML, the second over the first. */}}
{{- define "lateen.merged" -}}
{{- $both := deepCopy (index . 0) }}
{{- include "lateen.overlay" (list $both (index . 1 | default dict)) }}
{{- toYaml $both }}
{{- end }}

{{- /* The paths of values without effect, a line for each; fails for those that nobody knows. */}}
{{- define "lateen.check" -}}
{{- $known := .known }}
{{- $path := .path }}
{{- range $key, $value := .value }}
{{- $name := printf "%s%s" $path $key }}
{{- if or (hasKey $known $key) (hasKey $known "*") }}
{{- $meaning := get $known $key | default (get $known "*") }}
{{- if kindIs "map" $meaning }}
{{- if kindIs "map" $value }}
{{- include "lateen.check" (dict "value" $value "known" $meaning "path" (printf "%s." $name)) }}
{{- else if not (kindIs "invalid" $value) }}
{{- fail (printf "%s: found %s; expected an object" $name (toJson $value)) }}
{{- end }}
{{- else if eq $meaning "flag" }}
{{- if not (or (kindIs "bool" $value) (kindIs "invalid" $value)) }}
{{- fail (printf "%s: found %s; expected true or false" $name (toJson $value)) }}
{{- end }}
{{- else if eq $meaning "idle" }}
{{- printf "%s: Istio's field is accepted, but not carried out: it has no effect\n" $name }}
{{- else if eq $meaning "unread" }}
{{- printf "%s: nothing reads %s\n" $name $key }}
{{- else if and (hasPrefix "one of " $meaning) (not (kindIs "invalid" $value)) }}
{{- $words := splitList ", " (trimPrefix "one of " $meaning) }}
{{- if not (has (toString $value) $words) }}
{{- fail (printf "%s: found %s; expected %s" $name (toJson $value) (join " or " $words)) }}
{{- end }}
{{- end }}
{{- else }}
{{- fail (printf "%s: unknown field %q: expected one of %s" $name $key (keys $known | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Puts defaults, profile and what was set into .Values, in this order. Of the chart's first template. */}}
{{- define "lateen.prepare" -}}
{{- $defaults := get .Values "_internal_defaults_do_not_set" | default dict | deepCopy }}
{{- $said := omit (deepCopy .Values) "_internal_defaults_do_not_set" }}
{{- with get $said "defaults" }}
{{- include "lateen.overlay" (list $said .) }}
{{- end }}
{{- $said = omit $said "defaults" }}
{{- $known := .Files.Get "files/known-values.yaml" | fromYaml }}
{{- $idle := include "lateen.check" (dict "value" $said "known" $known "path" "") }}
{{- if and (eq .Chart.Name "istiod") (kindIs "map" (get $said "pilot")) }}
{{- $pilot := get $said "pilot" }}
{{- $said = omit $said "pilot" }}
{{- include "lateen.overlay" (list $said $pilot) }}
{{- end }}
{{- $profile := get $said "profile" | default "" }}
{{- if and $profile (eq .Chart.Name "istiod") }}
{{- $path := printf "files/profile-%s.yaml" $profile }}
{{- $text := .Files.Get $path }}
{{- if not $text }}
{{- fail (printf "profile: there is no profile %q in this chart; `lateen install --set profile=%s` may have it" $profile $profile) }}
{{- end }}
{{- include "lateen.overlay" (list $defaults (fromYaml $text)) }}
{{- end }}
{{- include "lateen.overlay" (list $defaults $said) }}
{{- if eq (get $defaults "revision" | default "") "default" }}
{{- $_ := set $defaults "revision" "" }}
{{- end }}
{{- $_ := set $defaults "_idle" (splitList "\n" (trim $idle) | compact) }}
{{- $_ := set . "Values" $defaults }}
{{- end }}

{{- define "lateen.labels" -}}
{{- with .root -}}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") | quote }}
install.operator.istio.io/owning-resource: {{ .Values.ownerName | default "unknown" | quote }}
release: {{ .Release.Name | quote }}
{{- end }}
{{- with .component }}
operator.istio.io/component: {{ . | quote }}
{{- end }}
{{- end }}

{{- /* Values that were set and do nothing. */}}
{{- define "lateen.idle" -}}
{{- range get .Values "_idle" }}
WARNING: {{ . }}
{{- end }}
{{- end }}

{{- /*
The control plane closes a validator once it works. An upgrade says what is there, and so neither
opens it again nor is in conflict with it.
*/}}
{{- define "lateen.failurePolicy" -}}
{{- $live := lookup "admissionregistration.k8s.io/v1" "ValidatingWebhookConfiguration" "" . | default dict }}
{{- $policy := "Ignore" }}
{{- range get $live "webhooks" | default list }}
{{- $policy = .failurePolicy }}
{{- end }}
{{- $policy }}
{{- end }}
