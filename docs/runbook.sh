# Functions of docs/runbook.md, to be read with `.` in a shell. This prints STOP where something is missing. It changes
# nothing in the cluster, and writes its rules to cluster-gates.yaml here.

for tool in kubectl jq taskgate; do command -v $tool > /dev/null || echo "STOP: $tool is not installed"; done
installation=${installation:-taskgate} its_namespace=${its_namespace:-taskgate}
for workload in ksvc deployment; do
  rules=$(kubectl -n $its_namespace get $workload $installation -o jsonpath='{.spec.template.spec.volumes[?(@.name=="gates")].configMap.name}' 2> /dev/null) && break
done
if kubectl -n $its_namespace get configmap "${rules:-unknown}" -o jsonpath='{.data.gates\.yaml}' 2> /dev/null > cluster-gates.yaml; then
  export TASKGATE_CONFIG=$PWD/cluster-gates.yaml
else
  echo "STOP: namespace $its_namespace of context $(kubectl config current-context) has no function $installation with rules: wrong cluster?"
fi

# Prints the log of this installation's pods.
logs() { kubectl -n $its_namespace logs -l app.kubernetes.io/instance=$installation -c taskgate --tail=-1; }

# Prints one object for each event, through a filter of jq: log 'select(.task == "7")'
log() {
  logs | grep '^{' | jq -c '{reason: .body} + (.attributes | {event: ."cloudevents.event_id", outcome: ."taskgate.outcome",
    status: ."http.response.status_code", code: ."taskgate.code", task: ."taskgate.task.id", gate: ."taskgate.gate",
    workflow: ."taskgate.workflow.name"})' | jq -c "$@"
}
