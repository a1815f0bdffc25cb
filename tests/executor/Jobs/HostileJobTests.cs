using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Tests.Executor.Guests;
using Xunit;

namespace RunnerVm.Tests.Executor.Jobs;

/// <summary>Whole jobs in machines whose agent is the attacker: one sentence, in bounded time, and nothing left.</summary>
public sealed class HostileJobTests : IDisposable
{
    /// <summary>What an agent does once a step was to start, and a part of the sentence that follows.</summary>
    private static readonly Dictionary<string, (Func<RawAgent, uint, Task> Attack, string Said)> InAStep = new()
    {
        ["unknown frame type"] = (static (a, _) => a.SendAsync(RawAgent.Frame((FrameType)9, 1, [])), "unknown type 9"),
        ["reserved bits"] = (static (a, c) => a.SendAsync([0, 0, 0, 0, 3, 0, 1, 1, (byte)c, 0, 0, 0]), "reserved"),
        ["hello again"] = (static (a, _) => a.SendAsync(RawAgent.Frame(FrameType.Hello, 0, "RVM")), "Hello"),
        ["four gigabytes announced"] = (static (a, c) => a.SendAsync([255, 255, 255, 255, 3, 0, 0, 0, (byte)c, 0, 0, 0]), "announced"),
        ["oversized close"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, new byte[Limits.MaxPayload + 1])), "allowed"),
        ["channel never opened"] = (static (a, _) => a.SendAsync(RawAgent.Frame(FrameType.Data, 77, "x")), "never opened"),
        ["host channel never opened"] = (static (a, _) => a.SendAsync(RawAgent.Frame(FrameType.Close, 400, "{}")), "never opened"),
        ["open of an even channel"] = (static (a, _) => a.SendAsync(RawAgent.Open(400, ChannelKind.Dial)), "not the next"),
        ["open of a skipped channel"] = (static (a, _) => a.SendAsync(RawAgent.Open(9, ChannelKind.Dial)), "not the next"),
        ["request too long"] = (static (a, _) => a.SendAsync(RawAgent.Open(1, ChannelKind.Dial, new string('x', 5000))), "allowed"),
        ["credit overflow"] = (static (a, c) => a.SendAsync(RawAgent.Credit(c, uint.MaxValue)), "most"),
        ["credit drop by drop"] = (static (a, c) => a.SendAsync([.. Enumerable.Repeat(RawAgent.Credit(c, Limits.MaxWindow / 2), 4)]), "most"),
        ["data beyond credit"] = (static (a, c) => a.SendAsync([.. Enumerable.Repeat(RawAgent.Frame(FrameType.Data, c, new byte[65000]), 40)]), "credit"),
        ["empty data"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Data, c, "")), "empty"),
        ["data after end"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.End, c, ""), RawAgent.Frame(FrameType.Data, c, "x")), "after its end"),
        ["output in lane 7"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Data, c, "x"u8, lane: 7)), "lane 7"),
        ["result of nonsense"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, "\u001b[2J\u0007{")), "not valid"),
        ["result that is null"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, "null")), "not valid"),
        ["result of another shape"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, "[[[[1]]]]")), "not valid"),
        ["result of a length it has not"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, [0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 127])), "not valid"),
        ["result that goes on"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, [.. new ExecResult { ExitCode = 0 }.ToPayload(), 0])), "not valid"),
        ["empty result"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, "")), "not valid"),
        ["result without status"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, new ExecResult().ToPayload())), "without its status"),
        ["exit code 256"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, new ExecResult { ExitCode = 256 }.ToPayload())), "exit code 256"),
        ["exit code -2"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, new ExecResult { ExitCode = -2 }.ToPayload())), "exit code -2"),
        ["signal 65"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, new ExecResult { Signal = 65 }.ToPayload())), "signal 65"),
        ["signal 0"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Close, c, new ExecResult { Signal = 0 }.ToPayload())), "signal 0"),
        ["reset with escapes"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Reset, c, "\u001b]0;owned\u0007 line\nline\u2028\u202e")), "broke off"),
        ["reset that is no UTF-8"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Reset, c, [0xff, 0xfe, 0x80])), "broke off"),
        ["reason too long"] = (static (a, c) => a.SendAsync(RawAgent.Frame(FrameType.Reset, c, new byte[1025])), "allowed"),
        ["dial that is no JSON"] = (static (a, _) => a.SendAsync(RawAgent.Open(1, ChannelKind.Dial, "\u001bgarbage")), "not valid"),
        ["dial of a name"] = (static (a, _) => a.SendAsync(RawAgent.Open(1, ChannelKind.Dial, """{"address":"example.org","port":1}""")), "no address"),
        ["dial with null"] = (static (a, _) => a.SendAsync(RawAgent.Open(1, ChannelKind.Dial, """{"address":null,"port":1}""")), ""),
        ["dial of port 0"] = (static (a, _) => a.SendAsync(RawAgent.Open(1, ChannelKind.Dial, """{"address":"192.0.2.1","port":0}""")), "port 0"),
        ["dns query too long"] = (static (a, _) => a.SendAsync(RawAgent.Open(1, ChannelKind.Dns), RawAgent.Frame(FrameType.Data, 1, [255, 255, 1])), "65535"),
    };

    private readonly JobBench _bench = new();

    public static TheoryData<string> Attacks => [.. InAStep.Keys];

    public void Dispose() => _bench.Dispose();

    [Theory]
    [MemberData(nameof(Attacks))]
    public async Task A_guest_that_breaks_a_rule_in_a_step_fails_the_job_with_one_sentence(string name)
    {
        var (attack, said) = InAStep[name];
        var outcome = await _bench.RunAsync(JobBench.Job("x", "y"), async machine =>
        {
            var agent = new RawAgent(machine);
            var channel = await agent.UntilAsync(ChannelKind.Exec);
            await attack(agent, channel);
            await agent.DrainAsync();
        });
        var failed = Assert.IsType<JobOutcome.RunnerFailed>(outcome);
        Assert.Equal(FailureReason.GuestMisbehaved, failed.Reason);
        Assert.Contains(said, failed.Message);
        Assert.DoesNotContain('\u202e', failed.Message);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n")]
    [InlineData("\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]
    [InlineData("\u0008\0\0\0\u0001\0\0\0\0\0\0\0RVM\nv\0\0\0")]
    [InlineData("\u0000\u0004\0\0\u0001\0\0\0\0\0\0\0")]
    public async Task What_is_not_our_agent_is_refused_at_its_first_bytes(string banner)
    {
        using var bench = new JobBench { BootTimeout = TimeSpan.FromSeconds(20) };
        var failed = Assert.IsType<JobOutcome.RunnerFailed>(await bench.RunAsync(JobBench.Job("x"), async machine =>
        {
            await machine.GuestEnd.WriteAsync(Encoding.Latin1.GetBytes(banner));
            await Task.Delay(Timeout.Infinite, machine.Gone);
        }));
        Assert.True(failed.Reason is FailureReason.GuestMisbehaved or FailureReason.MachineNotStarted, failed.ToString());
    }

    [Theory]
    [InlineData("xxxx")]
    [InlineData("{\"error\":")]
    public async Task A_thaw_result_of_nonsense_is_refused(string seed)
    {
        var nonsense = string.Concat(Enumerable.Repeat(seed, Limits.MaxPayload / seed.Length));
        var agent = new ScriptedAgent
        {
            OnThaw = (channel, _) =>
            {
                channel.Close(Encoding.UTF8.GetBytes(nonsense));
                return Task.CompletedTask;
            },
        };
        Assert.Equal(FailureReason.GuestMisbehaved, Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(JobBench.Job("x"), agent)).Reason);
    }

    [Fact]
    public async Task Figures_and_names_of_a_thaw_are_cut_to_what_can_be()
    {
        var agent = new ScriptedAgent
        {
            OnThaw = static (channel, _) =>
            {
                channel.Close(new ThawResult { KernelRelease = "\u001b[31m" + new string('k', 60000), BootMilliseconds = 1e15, ThawMilliseconds = -5 }.ToPayload());
                return Task.CompletedTask;
            },
        };
        Assert.IsType<JobOutcome.Succeeded>(await _bench.RunAsync(JobBench.Job("echo x"), agent));
        var ready = Assert.Single(_bench.Sink.Events.OfType<JobEvent.MachineReady>());
        Assert.InRange(ready.Kernel.Length, 1, 401);
        Assert.DoesNotContain('\u001b', ready.Kernel);
        Assert.Equal((TimeSpan.FromDays(1), TimeSpan.Zero), (ready.GuestBoot, ready.GuestThaw));
    }

    [Fact]
    public async Task A_thaw_result_without_a_kernel_name_is_refused()
    {
        var agent = new ScriptedAgent
        {
            OnThaw = static (channel, _) =>
            {
                channel.Close(new ThawResult { KernelRelease = null! }.ToPayload());
                return Task.CompletedTask;
            },
        };
        var outcome = await _bench.RunAsync(JobBench.Job("echo x"), agent);
        Assert.Equal(FailureReason.GuestMisbehaved, Assert.IsType<JobOutcome.RunnerFailed>(outcome).Reason);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[null]")]
    [InlineData("[\"\\u001b[2J\\n\",null,\"x\"]")]
    public async Task A_transfer_result_with_holes_does_no_harm(string unmatched)
    {
        var agent = new ScriptedAgent
        {
            OnTarOut = async (channel, _) =>
            {
                await channel.WriteAsync(ScriptedAgent.Archive(("a", "b")));
                channel.Close(Encoding.UTF8.GetBytes($$"""{"unmatched":{{unmatched}},"bytes":-1,"files":-1}"""));
            },
        };
        var outcome = await _bench.RunAsync(JobBench.Job("echo x") with { Artifacts = new() { Paths = ["a"] } }, agent);
        Assert.True(outcome is JobOutcome.Succeeded or JobOutcome.RunnerFailed { Reason: FailureReason.GuestMisbehaved }, outcome.ToString());
        Assert.DoesNotContain(string.Join('|', _bench.Sink.Notices), static c => char.IsControl(c));
    }

    [Fact]
    public async Task Data_nobody_asked_for_on_a_call_without_any_is_not_kept()
    {
        var outcome = await _bench.RunAsync(JobBench.Job("x"), static async machine =>
        {
            var agent = new RawAgent(machine);
            var channel = await agent.UntilAsync(ChannelKind.Thaw);
            var draining = agent.DrainAsync();
            while (!machine.Gone.IsCancellationRequested) await agent.SendAsync(RawAgent.Frame(FrameType.Data, channel, new byte[60000]));
            await draining;
        });
        Assert.Contains("credit", Assert.IsType<JobOutcome.RunnerFailed>(outcome).Message);
    }

    [Fact]
    public async Task An_archive_when_none_was_asked_for_is_a_channel_the_host_resets()
    {
        var outcome = await _bench.RunAsync(JobBench.Job("x"), static async machine =>
        {
            var agent = new RawAgent(machine);
            var channel = await agent.UntilAsync(ChannelKind.Exec);
            await agent.SendAsync(RawAgent.Open(1, ChannelKind.TarOut), RawAgent.Frame(FrameType.Data, 1, new byte[512]));
            while ((await agent.ReadAsync()).Header is not { Type: FrameType.Reset, Channel: 1 })
            {
            }

            await agent.SendAsync(RawAgent.Frame(FrameType.Close, channel, new ExecResult { ExitCode = 0 }.ToPayload()));
            await agent.DrainAsync();
        });
        Assert.IsType<JobOutcome.Succeeded>(outcome);
        Assert.False(Path.Exists(_bench.Artifacts));
    }

    [Fact]
    public async Task Megabytes_in_one_line_of_an_error_pass_as_they_are()
    {
        var agent = new ScriptedAgent
        {
            OnExec = static async (channel, _) =>
            {
                for (var i = 0; i < 80; i++) await channel.WriteAsync(1, Enumerable.Repeat((byte)'x', 100_000).ToArray());
                await ScriptedAgent.Close(channel, new ExecResult { Error = new string('\u001b', 8_000) });
            },
        };
        var failed = Assert.IsType<JobOutcome.StepFailed>(await _bench.RunAsync(JobBench.Job("x"), agent));
        Assert.Equal(8_000_000, _bench.Sink.Errors.Length);
        Assert.DoesNotContain('\u001b', failed.Diagnosis!);
    }

    [Fact]
    public async Task A_flood_of_channels_opened_and_dropped_is_answered_or_ended_and_keeps_no_memory()
    {
        var opened = 0;
        var outcome = await _bench.RunAsync(JobBench.Job("x") with { Network = new(NetworkKind.None) }, async machine =>
        {
            var agent = new RawAgent(machine);
            var exec = await agent.UntilAsync(ChannelKind.Exec);
            var draining = agent.DrainAsync();
            var request = new string('r', Limits.MaxGuestRequest);
            for (uint id = 1; id < 20_001; id += 2, opened++) await agent.SendAsync(RawAgent.Open(id, ChannelKind.Dial, request), RawAgent.Frame(FrameType.Reset, id, ""));
            await agent.SendAsync(RawAgent.Frame(FrameType.Close, exec, new ExecResult { ExitCode = 0 }.ToPayload()));
            await draining;
        });
        Assert.True(outcome is JobOutcome.Succeeded or JobOutcome.RunnerFailed { Reason: FailureReason.GuestMisbehaved }, $"{opened}: {outcome}");
    }

    [Fact]
    public async Task A_guest_that_writes_for_ever_is_held_back_by_a_slow_reader_and_ended_by_the_timeout()
    {
        long sent = 0;
        using var bench = new JobBench { Sink = new() { KeepsOutput = false, Before = static e => e is JobEvent.Output ? Task.Delay(5) : Task.CompletedTask } };
        var agent = new ScriptedAgent
        {
            OnExec = async (channel, machine) =>
            {
                var line = new byte[16_000];
                for (; !machine.Gone.IsCancellationRequested; sent += line.Length) await channel.WriteAsync(line);
            },
        };
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var job = JobBench.Job("x") with { Timeout = TimeSpan.FromSeconds(20) };
        Assert.IsType<JobOutcome.TimedOut>(await bench.RunAsync(job, agent));
        // One window, what two pipes and two outbound queues hold; nothing grows with time.
        Assert.InRange(sent - bench.Sink.Bytes, 0, Limits.DefaultWindow + (1 << 20));
        Assert.InRange(bench.Sink.Bytes, 100_000, long.MaxValue);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 64 << 20);
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("climb")]
    [InlineData("device")]
    [InlineData("bomb")]
    [InlineData("truncated")]
    [InlineData("lane")]
    public async Task A_hostile_archive_fails_the_job_and_leaves_nothing(string kind)
    {
        var archive = ScriptedAgent.Archive((kind == "climb" ? "a/../../evil" : "a", "content"));
        var block = archive.AsSpan(0, 512);
        switch (kind)
        {
            case "garbage":
                new Random(1).NextBytes(archive);
                break;
            case "device":
                block[156] = (byte)'3';
                TarBytes.Sign(block);
                break;
            case "bomb":
                TarBytes.WriteBinary(block.Slice(124, 12), 8L << 40);
                TarBytes.Sign(block);
                break;
        }

        var agent = new ScriptedAgent
        {
            OnTarOut = async (channel, _) =>
            {
                await channel.WriteAsync(kind == "lane" ? (byte)1 : (byte)0, kind == "truncated" ? archive.AsMemory(0, 515) : archive);
                await ScriptedAgent.Close(channel, new TarResult());
            },
        };
        var failed = Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(JobBench.Job("echo x") with { Artifacts = new() { Paths = ["a"] } }, agent));
        Assert.Equal(FailureReason.GuestMisbehaved, failed.Reason);
        Assert.False(Path.Exists(_bench.Artifacts) || Path.Exists(ArtifactFolder.Unfinished(_bench.Artifacts)));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_bench["new"]));
    }

    [Fact]
    public async Task Regression_a_violation_while_the_host_writes_is_told_as_such()
    {
        Directory.CreateDirectory(_bench["work"]);
        await File.WriteAllBytesAsync(_bench["work/large"], new byte[3 << 20]);
        var failed = Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(JobBench.Job("x") with { Workspace = new(_bench["work"]) }, static async machine =>
        {
            var agent = new RawAgent(machine);
            var channel = await agent.UntilAsync(ChannelKind.TarIn);
            await agent.SendAsync(RawAgent.Credit(channel, 100_000));
            for (var i = 0; i < 2; i++) await agent.ReadAsync();
            await agent.SendAsync(RawAgent.Frame((FrameType)200, 1, ""));
            await agent.DrainAsync();
        }));
        Assert.Equal(FailureReason.GuestMisbehaved, failed.Reason);
        Assert.Contains("unknown type 200", failed.Message);
    }

    [Fact]
    public async Task A_guest_that_never_reads_its_answers_is_ended()
    {
        var failed = Assert.IsType<JobOutcome.RunnerFailed>(await _bench.RunAsync(JobBench.Job("x") with { Network = new(NetworkKind.None) }, static async machine =>
        {
            var agent = new RawAgent(machine);
            await agent.UntilAsync(ChannelKind.Exec);
            for (uint id = 1; !machine.Gone.IsCancellationRequested; id += 2) await agent.SendAsync(RawAgent.Open(id, ChannelKind.Pty));
        }));
        Assert.Equal(FailureReason.GuestMisbehaved, failed.Reason);
        Assert.Contains("unread", failed.Message);
    }
}
