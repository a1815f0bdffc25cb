using System.Diagnostics;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>
/// Two network namespaces with a cable between them: in one the runner, in the other the rest of the world. Nothing of
/// the host's own network is touched. Needs root.
/// </summary>
public sealed class EgressLab : IAsyncLifetime
{
    internal const string Server = "198.51.100.10";
    internal const string Server6 = "2001:db8:51::10";
    internal const string Private = "10.99.0.1";
    internal const string Metadata = "169.254.169.254";
    internal const string OwnAddress = "198.51.100.1";

    private const string Inside = "runnervm-test-host";
    private const string Outside = "runnervm-test-world";

    private readonly List<Process> _servers = [];
    private readonly List<string> _requests = [];
    private string? _whyNot;

    /// <summary>What the servers were asked so far: "http ADDRESS PATH" and "dns NAME".</summary>
    internal IReadOnlyList<string> Requests
    {
        get
        {
            lock (_requests) return [.. _requests];
        }
    }

    public async ValueTask InitializeAsync()
    {
        _whyNot = Environment.IsPrivilegedProcess ? null : "network namespaces need root";
        if (_whyNot is null && Ip($"netns add {Inside}", quiet: true) != 0)
        {
            Remove();
            if (Ip($"netns add {Inside}", quiet: true) != 0) _whyNot = "this machine makes no network namespaces (ip netns add)";
        }

        if (_whyNot is not null) return;
        Lay();
        await ServeAsync(Outside, EgressWorld.Outside);
        await ServeAsync(Inside, EgressWorld.Host);
    }

    public ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            server.Kill();
            server.WaitForExit();
            server.Dispose();
        }

        if (_whyNot is null) Remove();
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs a job with the runner inside the namespace.</summary>
    internal Task<Finished> ExecAsync(string job, params string[] options)
    {
        Assert.SkipWhen(_whyNot is not null, _whyNot ?? "");
        return Runner.ExecAsync(job, ["--dns", Server, .. options], wrapper: $"ip netns exec {Inside}", limit: TimeSpan.FromMinutes(10));
    }

    private static void Lay()
    {
        foreach (var command in new[]
        {
            $"netns add {Outside}",
            $"-n {Inside} link add cable type veth peer name cable netns {Outside}",
            $"-n {Inside} address add {OwnAddress}/24 dev cable",
            $"-n {Inside} address add 2001:db8:51::1/64 dev cable nodad",
            $"-n {Outside} address add {Server}/24 dev cable",
            $"-n {Outside} address add {Server6}/64 dev cable nodad",
            $"-n {Outside} address add {Private}/32 dev cable",
            $"-n {Outside} address add {Metadata}/32 dev cable",
            $"-n {Inside} link set lo up",
            $"-n {Outside} link set lo up",
            $"-n {Inside} link set cable up",
            $"-n {Outside} link set cable up",
            $"-n {Inside} route add default via {Server}",
            $"-n {Inside} -6 route add default via {Server6}",
        })
            Assert.True(Ip(command) == 0, $"ip {command} failed");
    }

    private static void Remove()
    {
        Ip($"netns delete {Inside}", quiet: true);
        Ip($"netns delete {Outside}", quiet: true);
    }

    private static int Ip(string arguments, bool quiet = false)
    {
        using var ip = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = quiet })!;
        ip.WaitForExit();
        return ip.ExitCode;
    }

    private async Task ServeAsync(string place, string what)
    {
        var server = Process.Start(new ProcessStartInfo("ip", ["netns", "exec", place, Environment.ProcessPath!, EntryPoint.Serve, what])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        _servers.Add(server);
        var ready = new TaskCompletionSource();
        server.OutputDataReceived += (_, line) =>
        {
            if (line.Data == "ready") ready.TrySetResult();
            else if (line.Data is not null) lock (_requests) _requests.Add(line.Data);
        };
        server.BeginOutputReadLine();
        await ready.Task.WaitAsync(TimeSpan.FromSeconds(30));
    }
}
