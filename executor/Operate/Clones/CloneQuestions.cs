using RunnerVm.GuestProtocol;

namespace RunnerVm.Operate.Clones;

/// <summary>
/// What every copy of a snapshot is asked, as a script: a line for each answer, a name and what is to differ from copy to copy.
/// It uses what every image has; what needs more is left out where that is missing.
/// </summary>
internal static class CloneQuestions
{
    /// <summary>Where the ports are asked for: a documentation address (RFC 5737), whose connections the host holds and never answers.</summary>
    private const string Nowhere = "192.0.2.1";

    /// <summary>The same as /proc/net/tcp writes it.</summary>
    private const string NowhereInHex = "010200C0";

    private const string Script = $$"""
        say() { if [ -n "$2" ]; then echo "$1 $2"; fi; }
        say clock "$(date +%s%N)"
        say random "$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')"
        say kernel-uuid "$(cat /proc/sys/kernel/random/uuid)"
        say own-uuid "$(uuidgen 2>/dev/null || mktemp -u XXXXXXXXXXXXXXXXXXXXXXXX)"
        say boot-id "$(cat /proc/sys/kernel/random/boot_id)"
        say machine-id "$(cat /etc/machine-id)"
        say hostname "$(cat /proc/sys/kernel/hostname)"
        say addresses "$(grep -E 'stack|heap|libc' /proc/self/maps | cut -d- -f1 | tr '\n' ,)"
        if [ -e /etc/ssh/ssh_host_ed25519_key.pub ]; then say ssh-host-key "$(sha256sum < /etc/ssh/ssh_host_ed25519_key.pub | cut -c1-64)"; fi
        if command -v bash > /dev/null; then say ports "$(bash -c '
          for port in 9 10 11 12; do exec {held}<> /dev/tcp/{{Nowhere}}/$port || exit; done
          while read -r _ from to _; do case $to in {{NowhereInHex}}:*) echo -n "$((16#${from#*:})),"; esac; done < /proc/net/tcp')"; fi
        """;

    public static ExecRequest Request { get; } = new()
    {
        Candidates = [["sh", "{0}"]],
        Script = Script,
        Environment = [],
    };
}
