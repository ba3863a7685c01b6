# Functions of docs/migration.md. They need $webhook, the URL of the EventSource, and $secret, the webhook's secret.

# Sends an event of docs/events as GitHub does, and prints the HTTP status: send approved-task-3 DELIVERY_ID
send() {
  jq -c '.data | .repository.html_url = "https://github.com/" + .repository.full_name' "docs/events/$1.json" > event.json
  curl -s -o /dev/null -w '%{http_code}\n' "$webhook" --data-binary @event.json -H 'Content-Type: application/json' \
    -H 'X-GitHub-Event: pull_request_review' -H "X-GitHub-Delivery: $2" \
    -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac "$secret" < event.json | sed 's/.* //')"
}

# Prints one line for each event: id, outcome, what it would have been in shadow mode, Workflow, gate.
decisions() {
  kubectl -n taskgate logs -l app.kubernetes.io/instance=taskgate -c taskgate --tail=-1 |
    grep '^{' | jq -r '.attributes | select(."taskgate.outcome") |
      [."cloudevents.event_id", ."taskgate.outcome", ((."taskgate.would", ."taskgate.workflow.name", ."taskgate.gate") | . // "-")] | join(" ")'
}

# Prints the phase of a Workflow's gate: gate WORKFLOW GATE
gate() {
  kubectl -n agent-platform get workflow "$1" -o json |
    jq -r --arg gate "$2" '.status.nodes[] | select(.type == "Suspend" and .displayName == $gate) | .phase'
}
