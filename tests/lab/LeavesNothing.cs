using Xunit;

namespace RunnerVm.Tests.Lab;

/// <summary>Facts about machines: after each, the lab is as it was before.</summary>
public abstract class LeavesNothing(LabFixture lab) : IAsyncLifetime
{
    /// <summary>What a machine could leave on a host, as text to compare: processes, files, sockets, mounts, cgroups, namespaces, interfaces.</summary>
    private protected const string Traces = """
        traces() {
          pgrep -a 'runnervm|qemu' || true
          find "$RUNNERVM_HOME/runs" /dev/shm -mindepth 1 2>/dev/null || true
          wc -l < /proc/self/mountinfo
          find /sys/fs/cgroup -type d | grep -c runnervm || true
          ss -xlH | grep -cE 'runnervm|v\.sock|api' || true
          for kind in mnt net pid uts ipc user; do readlink /proc/[0-9]*/ns/$kind | sort -u | wc -l; done
          ip netns list; ip -br link | cut -d' ' -f1; losetup -a
        }

        """;

    private string _before = "";

    private protected LabFixture Lab { get; } = lab;

    // The first job makes the folder of runs, which stays.
    public async ValueTask InitializeAsync() => _before = (await Lab.RunAsync(Traces + "mkdir -p \"$RUNNERVM_HOME/runs\"; traces")).ExpectExit(0).Output;

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        Assert.Equal(_before, await NowAsync());
    }

    private async Task<string> NowAsync() => (await Lab.RunAsync(Traces + "traces")).ExpectExit(0).Output;
}
