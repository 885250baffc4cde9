{{- /*
Only functions that Go's templates have by themselves are used, so that any engine of theirs renders the chart: a test
does it with kubectl's. Texts are quoted by %q, whose escapes YAML reads.
*/ -}}
{{- define "kubemend.resources" }}
          resources:
            requests:
            {{- range $name, $amount := .requests }}
              {{ printf "%q" $name }}: {{ printf "%q" $amount }}
            {{- end }}
            {{- if .limits }}
            limits:
            {{- range $name, $amount := .limits }}
              {{ printf "%q" $name }}: {{ printf "%q" $amount }}
            {{- end }}
            {{- end }}
{{- end }}
