using System.Buffers.Binary;
using RunnerVm.GuestProtocol;
using Xunit;

namespace RunnerVm.Tests.GuestProtocol;

public sealed class PayloadTests
{
    private static readonly ThawRequest Thaw = new()
    {
        UnixTimeNanoseconds = long.MaxValue - 1, Entropy = [1, 2, 3], Hostname = "hello-0b5361", MachineId = "6a59", Workspace = "/wörk", Network = true,
    };

    private static readonly ExecRequest Exec = new()
    {
        Candidates = [["bash", "-e", "{0}"], [], ["sh"]],
        Script = "echo \0 ü",
        Environment = new() { ["A"] = "", ["B"] = new string('x', 100_000) },
        Input = true,
        TellsAlways = true,
        Rows = 1,
        Columns = int.MaxValue,
    };

    [Fact]
    public void A_thaw_is_read_as_it_was_written()
    {
        var read = ThawRequest.Read(Thaw.ToPayload());
        Assert.Equal(Thaw, read with { Entropy = Thaw.Entropy });
        Assert.Equal(Thaw.Entropy, read.Entropy);
        Assert.Equal("gitlab-runner", ThawRequest.Read((Thaw with { ErrandCommand = "gitlab-runner" }).ToPayload()).ErrandCommand);
        var result = new ThawResult { Error = null, KernelRelease = "6.1", BootMilliseconds = 246.371, ThawMilliseconds = 0.5 };
        Assert.Equal(result, ThawResult.Read(result.ToPayload()));
    }

    [Fact]
    public void A_step_and_its_end_are_read_as_they_were_written()
    {
        var read = ExecRequest.Read(Exec.ToPayload());
        Assert.Equal(Exec, read with { Candidates = Exec.Candidates, Environment = Exec.Environment });
        Assert.Equal(Exec.Candidates, read.Candidates);
        Assert.Equal(Exec.Environment, read.Environment);
        foreach (var result in new ExecResult[] { new() { ExitCode = 0 }, new() { Signal = 9, OutOfMemory = true }, new() { Error = "no", DiskFull = true } })
            Assert.Equal(result, ExecResult.Read(result.ToPayload()));
    }

    [Fact]
    public void A_message_that_ends_too_early_or_goes_on_is_a_broken_rule()
    {
        var whole = (Exec with { Environment = new() { ["A"] = "b" } }).ToPayload();
        for (var length = 0; length < whole.Length; length++) Assert.Throws<ProtocolException>(() => ExecRequest.Read(whole.AsSpan(0, length)));
        Assert.Throws<ProtocolException>(() => ExecRequest.Read([.. whole, 0]));
        Assert.Throws<ProtocolException>(() => ExecResult.Read("{\"exitCode\":0}"u8));
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(-2)]
    [InlineData(1000)]
    public void What_it_claims_to_hold_takes_no_room(int count)
    {
        var message = new byte[64];
        BinaryPrimitives.WriteInt32LittleEndian(message, count);
        Assert.Throws<ProtocolException>(() => ExecRequest.Read(message));
    }
}
