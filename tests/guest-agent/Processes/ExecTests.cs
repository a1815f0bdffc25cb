using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using RunnerVm.GuestAgent.Processes;
using RunnerVm.GuestAgent.Thaw;
using RunnerVm.GuestProtocol;
using Xunit;

namespace RunnerVm.Tests.GuestAgent.Processes;

/// <summary>Real processes on this machine, through a real connection; only PID 1 and its cgroups are missing.</summary>
public sealed class ExecTests : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(60));
    private GuestConnection _host = null!;
    private GuestConnection _guest = null!;
    private Task _serving = null!;

    public async ValueTask InitializeAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        var server = await listener.AcceptTcpClientAsync();
        var guest = GuestConnection.OpenAsync(server.GetStream(), Role.Guest, "test", CancellationToken.None);
        _host = await GuestConnection.OpenAsync(client.GetStream(), Role.Host, "test", CancellationToken.None);
        _guest = await guest;
        _serving = ServeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        await _guest.DisposeAsync();
        await _serving.WaitAsync(TimeSpan.FromSeconds(10));
        _folder.Dispose();
        _deadline.Dispose();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(255)]
    public async Task Exit_codes_are_exact(int code) => Assert.Equal(code, (await RunAsync($"exit {code}")).Result.ExitCode);

    [Fact]
    public async Task A_signal_is_told_as_a_signal()
    {
        var (result, _, _) = await RunAsync("kill -SEGV $$");
        Assert.Equal(11, result.Signal);
        Assert.Null(result.ExitCode);
    }

    [Fact]
    public async Task Output_and_error_are_not_mixed_and_the_script_file_is_gone_afterwards()
    {
        var (result, output, error) = await RunAsync("echo out; echo err >&2; pwd; echo $FOO; ls -l \"$0\" | cut -c1-10");
        Assert.Equal(0, result.ExitCode);
        Assert.Equal($"out\n{_folder.Path}\nbar\n-rwx------\n", output);
        Assert.Equal("err\n", error);
        Assert.Empty(Directory.GetFiles(_folder.Path, "script-*"));
    }

    [Fact]
    public async Task A_step_leads_a_session_and_inherits_no_signal_settings_and_no_pipes_of_others()
    {
        var (_, output, _) = await RunAsync("cut -d' ' -f1,5,6 /proc/$$/stat; grep -E 'Sig(Blk|Ign)' /proc/self/status; ls -l /proc/$$/fd | grep -o '[0-9]* -> pipe.*'");
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var ids = lines[0].Split(' ');
        Assert.Equal([ids[0], ids[0], ids[0]], ids);
        Assert.EndsWith("0000000000000000", lines[1], StringComparison.Ordinal);
        Assert.EndsWith("0000000000000000", lines[2], StringComparison.Ordinal);

        // Both ends of a pipe carry its number, so an agent's end that leaked would show up a second time.
        var pipes = lines[3..].Select(l => l.Split(" -> ")).ToArray();
        var own = pipes.Where(p => p[0] is "0" or "1" or "2").Select(p => p[1]).ToArray();
        Assert.Equal(["0", "1", "2"], pipes.Where(p => own.Contains(p[1])).Select(p => p[0]).Order());
    }

    [Fact]
    public async Task Standard_input_reaches_the_process_and_its_end_too()
    {
        var channel = Open("cat");
        await channel.WriteAsync(Encoding.UTF8.GetBytes(new string('x', 300_000)), _deadline.Token);
        channel.End();
        Assert.Equal(300_000, (await CollectAsync(channel)).Output.Length);
    }

    [Fact]
    public async Task Without_input_asked_for_standard_input_is_the_null_device()
    {
        var request = Request("readlink /proc/$$/fd/0; cat") with { Input = false };
        var channel = _host.Open(ChannelKind.Exec, request.ToPayload());
        Assert.Equal("/dev/null\n", (await CollectAsync(channel)).Output);
    }

    [Fact]
    public async Task Control_still_works_when_the_process_does_not_read_its_input()
    {
        var channel = Open("exec sleep 50");
        await channel.WriteAsync(new byte[1_000_000], _deadline.Token);
        await channel.WriteAsync(2, Messages.Write(new ExecControl { Signal = 15 }, Messages.Default.ExecControl), _deadline.Token);
        Assert.Equal(15, (await CollectAsync(channel)).Result.Signal);
    }

    [Fact]
    public async Task A_background_process_that_keeps_the_pipes_does_not_keep_the_step_nor_get_a_signal()
    {
        var alive = _folder.Combine("alive");
        var started = Stopwatch.GetTimestamp();
        var (result, output, _) = await RunAsync($"(sleep 1; echo late; echo later; touch {alive}) & echo done");

        Assert.Equal((0, "done\n"), (result.ExitCode, output));
        Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromSeconds(0.95));
        while (!File.Exists(alive)) await Task.Delay(20, _deadline.Token);
    }

    [Fact]
    public async Task A_background_process_that_never_stops_talking_does_not_keep_the_step()
    {
        var (result, _, _) = await RunAsync("(for i in $(seq 60); do echo x; sleep 0.05; done) & exit 4");
        Assert.Equal(4, result.ExitCode);
    }

    [Fact]
    public async Task All_output_arrives_even_of_a_process_that_ends_at_once()
    {
        var (_, output, error) = await RunAsync("head -c 60000 /dev/zero; head -c 60000 /dev/zero >&2");
        Assert.Equal((60_000, 60_000), (output.Length, error.Length));
    }

    [Fact]
    public async Task A_host_that_gives_up_ends_the_process()
    {
        var channel = Open("echo $$; exec sleep 50");
        var pid = Encoding.UTF8.GetString((await channel.ReadAsync(_deadline.Token))!.Value.Bytes.Span).Trim();
        channel.Reset("enough");
        while (Directory.Exists($"/proc/{pid}")) await Task.Delay(10, _deadline.Token);
    }

    [Fact]
    public async Task Many_steps_at_once_keep_their_exit_codes()
    {
        var codes = await Task.WhenAll(Enumerable.Range(0, 40).Select(async i => (await RunAsync($"exit {i}")).Result.ExitCode));
        Assert.Equal(Enumerable.Range(0, 40).Cast<int?>(), codes);
    }

    [Theory]
    [InlineData("nowhere", "does not exist")]
    [InlineData("file", "is not a folder")]
    public async Task A_bad_working_directory_is_one_sentence(string name, string expected)
    {
        _folder.Write("file", "");
        var channel = Open("true", workingDirectory: name);
        Assert.Contains(expected, (await CollectAsync(channel)).Result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_terminal_has_its_size_and_is_the_controlling_one()
    {
        var request = Request("tty >/dev/tty; stty size");
        var channel = _host.Open(ChannelKind.Pty, (request with { Rows = 12, Columns = 34 }).ToPayload());
        var (result, output, _) = await CollectAsync(channel);
        Assert.Equal(0, result.ExitCode);
        Assert.StartsWith("/dev/pts/", output, StringComparison.Ordinal);
        Assert.EndsWith("12 34\r\n", output, StringComparison.Ordinal);
    }

    private async Task ServeAsync()
    {
        var workplace = new Workplace(_folder.Path, _folder.Path, scratch: null, cgroups: null);
        var reaper = new ChildReaper(reapOrphans: false);
        List<Task> calls = [];
        await foreach (var channel in _guest.AcceptAsync(CancellationToken.None))
        {
            calls.Add(Task.Run(async () =>
            {
                await using (channel) await ExecCall.RunAsync(channel, workplace, reaper);
            }));
        }

        await Task.WhenAll(calls).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static ExecRequest Request(string script) =>
        new() { Candidates = [["no-such-shell"], ["sh", "{0}"]], Script = script, Input = true, Environment = new() { ["FOO"] = "bar", ["PATH"] = Environment.GetEnvironmentVariable("PATH")! } };

    private GuestChannel Open(string script, string? workingDirectory = null) =>
        _host.Open(ChannelKind.Exec, (Request(script) with { WorkingDirectory = workingDirectory }).ToPayload());

    private async Task<(ExecResult Result, string Output, string Error)> RunAsync(string script)
    {
        var channel = Open(script);
        try
        {
            await channel.WriteAsync(2, Messages.Write(new ExecControl { EndInput = true }, Messages.Default.ExecControl), _deadline.Token);
        }
        catch (ChannelResetException)
        {
            // The process was quicker.
        }

        return await CollectAsync(channel);
    }

    private async Task<(ExecResult Result, string Output, string Error)> CollectAsync(GuestChannel channel)
    {
        await using (channel)
        {
            var lanes = new StringBuilder[] { new(), new() };
            while (await channel.ReadAsync(_deadline.Token) is { } received) lanes[received.Lane].Append(Encoding.UTF8.GetString(received.Bytes.Span));
            return (ExecResult.Read(await channel.Result), lanes[0].ToString(), lanes[1].ToString());
        }
    }
}
