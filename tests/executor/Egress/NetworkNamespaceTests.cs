using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using RunnerVm.Egress;
using RunnerVm.GuestProtocol;
using Xunit;

namespace RunnerVm.Tests.Executor.Egress;

/// <summary>
/// The gateway with real public addresses that are not loopback. The outer fact makes two network namespaces joined by
/// a cable and runs the inner ones in the first; the machine's own namespace is left alone, whose addresses may be in use.
/// </summary>
public sealed class NetworkNamespaceTests
{
    private const string InnerMark = "RUNNERVM_TEST_NAMESPACE";
    private const int Minute = 60_000;

    [Fact(Timeout = 2 * Minute)]
    public async Task In_namespaces_of_its_own_the_gateway_reaches_the_public_and_not_the_host()
    {
        if (Environment.UserName != "root") Assert.Skip("network namespaces need root");
        var cancellation = TestContext.Current.CancellationToken;
        var self = Environment.ProcessPath ?? "";
        if (!Path.GetFileName(self).StartsWith("executor.tests", StringComparison.Ordinal)) Assert.Skip("the runner is not this program");
        var (host, server) = ($"rvm-h{Environment.ProcessId}", $"rvm-s{Environment.ProcessId}");
        try
        {
            if (await RunAsync("ip", ["netns", "add", host]) != 0) Assert.Skip("ip netns does not work here");
            await RunAsync("ip", ["netns", "add", server]);
            await RunAsync("ip", ["-n", host, "link", "set", "lo", "up"]);
            if (await RunAsync("ip", ["-n", host, "link", "add", "c0", "type", "veth", "peer", "name", "c1", "netns", server]) != 0) Assert.Skip("no veth driver");
            foreach (var (space, cable, last) in new[] { (host, "c0", 1), (server, "c1", 2) })
            {
                await RunAsync("ip", ["-n", space, "addr", "add", $"203.0.113.{last}/24", "dev", cable]);
                await RunAsync("ip", ["-n", space, "-6", "addr", "add", $"2001:db8::{last}/64", "dev", cable, "nodad"]);
                await RunAsync("ip", ["-n", space, "link", "set", cable, "up"]);
            }

            // A filter that matches nothing succeeds too, so the count is checked.
            var output = new StringBuilder();
            var status = await RunAsync("ip",
                ["netns", "exec", host, "env", $"{InnerMark}={server}", self, "-class", typeof(Inner).FullName!, "-noColor"], output, cancellation);
            Assert.Equal(0, status);
            Assert.Contains("Total: 7, Errors: 0, Failed: 0, Skipped: 0", output.ToString());
        }
        finally
        {
            // The cable goes with its namespace.
            await RunAsync("ip", ["netns", "del", host]);
            await RunAsync("ip", ["netns", "del", server]);
        }
    }

    private static async Task<int> RunAsync(string program, string[] arguments, StringBuilder? collected = null, CancellationToken cancellation = default)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync(cancellation);
        var errors = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        collected?.Append(await output);
        if (process.ExitCode != 0) TestContext.Current.TestOutputHelper?.WriteLine($"{program} {string.Join(' ', arguments)}: {await output}{await errors}");
        return process.ExitCode;
    }

    /// <summary>Run within the namespace only.</summary>
    public sealed class Inner
    {
        private static string ServerSpace => Environment.GetEnvironmentVariable(InnerMark) ?? throw new InvalidOperationException();

        [Theory(Timeout = Minute)]
        [InlineData("203.0.113.2", "reachable")]
        [InlineData("2001:db8::2", "reachable")]
        [InlineData("::ffff:203.0.113.2", "reachable")]
        [InlineData("203.0.113.1", "the host itself")]
        [InlineData("2001:db8::1", "the host itself")]
        [InlineData("::ffff:203.0.113.1", "the host itself")]
        public async Task A_destination_is_judged_by_the_address_it_has(string address, string expected)
        {
            if (Environment.GetEnvironmentVariable(InnerMark) is null) Assert.Skip("runs in the namespaces of the fact above");
            using var server = await StartServerAsync();
            try
            {
                await using var gateway = await GatewayFixture.StartAsync(
                    hostAddresses: new HostAddresses(TimeProvider.System), cancellation: TestContext.Current.CancellationToken);
                await using var channel = gateway.Dial(address, 7001);
                if (expected == "reachable")
                {
                    await channel.WriteAsync(new byte[3]);
                    channel.End();
                    Assert.Equal(3, (await GatewayFixture.ReadAllAsync(channel)).Length);
                }
                else
                {
                    var e = await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
                    Assert.Contains(expected, e.Message);
                }
            }
            finally
            {
                server.Kill();
                await server.WaitForExitAsync(TestContext.Current.CancellationToken);
            }
        }

        [Fact(Timeout = Minute)]
        public async Task A_host_that_does_not_answer_is_a_timeout()
        {
            if (Environment.GetEnvironmentVariable(InnerMark) is null) Assert.Skip("runs in the namespaces of the fact above");
            var options = new EgressOptions { DnsServers = [], HostHasIPv6 = true, ConnectTimeout = TimeSpan.FromMilliseconds(300) };
            await using var gateway = await GatewayFixture.StartAsync(options: options, cancellation: TestContext.Current.CancellationToken);
            await using var channel = gateway.Dial("203.0.113.77", 80);
            var e = await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
            Assert.Contains(e.Message, new[] { "connection timed out", "no route to host" });
        }

        /// <summary>An echo server in the other namespace, dual-stack.</summary>
        private static async Task<Process> StartServerAsync()
        {
            var server = Process.Start(new ProcessStartInfo("ip",
                ["netns", "exec", ServerSpace, "env", $"{EchoMark}=7001", Environment.ProcessPath!, "-class", typeof(EchoProcess).FullName!])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            _ = server.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            _ = server.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            for (var tries = 0; tries < 200; tries++)
            {
                using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                try
                {
                    await probe.ConnectAsync(new IPEndPoint(IPAddress.Parse("203.0.113.2"), 7001), TestContext.Current.CancellationToken);
                    return server;
                }
                catch (SocketException)
                {
                    await Task.Delay(50, TestContext.Current.CancellationToken);
                }
            }

            throw new InvalidOperationException("The echo server did not come up.");
        }
    }

    private const string EchoMark = "RUNNERVM_TEST_ECHO_PORT";

    /// <summary>Not a fact but the server the facts above talk to; ends by being killed.</summary>
    public sealed class EchoProcess
    {
        [Fact(Timeout = Minute)]
        public async Task Echoes_until_it_is_killed()
        {
            var port = Environment.GetEnvironmentVariable(EchoMark) ?? "";
            if (port.Length == 0) Assert.Skip("serves the facts above");
            var cancellation = TestContext.Current.CancellationToken;
            using var listener = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
            listener.Bind(new IPEndPoint(IPAddress.IPv6Any, int.Parse(port)));
            listener.Listen();
            while (!cancellation.IsCancellationRequested)
            {
                using var socket = await listener.AcceptAsync(cancellation);
                var buffer = new byte[1024];
                for (var n = await socket.ReceiveAsync(buffer, cancellation); n > 0; n = await socket.ReceiveAsync(buffer, cancellation))
                    await socket.SendAsync(buffer.AsMemory(0, n), cancellation);
            }
        }
    }
}
