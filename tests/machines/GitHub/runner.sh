#!/bin/bash
# What GitHub's runner does, as far as GitHub and its host see it: connects by the configuration in its environment, says
# that it listens, does one job, tells its end and leaves. Speaks with the broker of the tests' GitHub by curl.
set -u
configuration=$ACTIONS_RUNNER_INPUT_JITCONFIG
unset ACTIONS_RUNNER_INPUT_JITCONFIG

# The value of a text field in one line of JSON, its last one of that name.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
context() { sed -n "s/.*\"k\":\"$1\",\"v\":\"\([^\"]*\)\".*/\1/p" <<<"$job"; }
unescape() { sed -e 's/\\u002B/+/g' -e "s/\\\\u0027/'/g" -e 's/\\u0026/\&/g' -e 's/\\u003E/>/g' -e 's/\\u003C/</g' -e 's/\\u0022/"/g'; }
part() { base64 -d <<<"$configuration" | unescape | field "$1" | base64 -d | unescape; }
say() { echo "$(date -u '+%Y-%m-%d %H:%M:%S')Z: $*"; }
request() { curl -sS --max-time 90 -A test-runner -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "$@"; }

broker=$(part .runner | field ServerUrlV2)
server=${broker%broker/}
client=$(part .credentials | field ClientId)
token=$(curl -sS --max-time 30 -A test-runner -d "grant_type=client_credentials&client_id=$client" "${server}oauth/token" | field access_token)
if [[ -z $token ]]; then echo "Failed to create a session. The registration was deleted or $server cannot be reached."; exit 1; fi
request -o /dev/null -d '{"agent":{}}' "${broker}session"
leave() { request -o /dev/null -X DELETE "${broker}session"; exit 0; }
trap leave TERM INT
echo "Current runner version: '2.999.0'"
say "Listening for Jobs"

while :; do
  answer=$(request -w '\n%{http_code}' "${broker}message?status=Online") || { sleep 0.2; continue; }
  case ${answer##*$'\n'} in
    200) ;;
    404) echo "The runner no longer exists on the server."; exit 0 ;;
    *) continue ;;
  esac
  id=$(head -n 1 <<<"$answer" | unescape | field runner_request_id)
  job=$(request -d "{\"jobMessageId\":\"$id\"}" "${server}run/acquirejob") || continue
  [[ $(field messageType <<<"$job") == RunnerJobRequest ]] && break
done

name=$(field jobDisplayName <<<"$job")
script=$(field value <<<"$job" | unescape)
guid=$(field jobId <<<"$job")
say "Running job: $name"
# Its own first and last step, and the lines in which it writes down which step runs.
hook() {
  GITHUB_REPOSITORY=$(context repository) GITHUB_RUN_ID=$(context run_id) GITHUB_RUN_ATTEMPT=$(context run_attempt) \
    GITHUB_WORKFLOW=$(context workflow) GITHUB_JOB=$name RUNNER_TRACKING_ID=1 bash -e "$1" || echo "hook $1 failed"
}
trace() { echo "[$(date -u '+%Y-%m-%d %H:%M:%SZ') INFO StepsRunner] $*" >>_diag/Worker_1-utc.log; }
mkdir -p _work _diag
trace "Initializing"
hook "$ACTIONS_RUNNER_HOOK_JOB_STARTED"
trace "Processing step: DisplayName='Run it'"
setsid bash -e -c "$script" &
work=$!
result=
while kill -0 $work 2>/dev/null; do
  answer=$(request "${broker}message?status=Busy") || true
  if [[ $answer == *JobCancellation* ]]; then
    kill -TERM -- -$work
    result=canceled
  fi
done
wait $work && result=${result:-succeeded}
result=${result:-failed}
case $result in
  succeeded) trace "No need for updating job result with current step result 'Succeeded'." ;;
  *) trace "Update job result with current step result '${result^}'." ;;
esac
hook "$ACTIONS_RUNNER_HOOK_JOB_COMPLETED"
request -o /dev/null -d "{\"jobId\":\"$guid\",\"conclusion\":\"$result\"}" "${server}run/completejob"
say "Job $name completed with result: ${result^}"
request -o /dev/null -X DELETE "${broker}session"
exit 0
