using System.Text;
using RunnerVm.Machines.Qemu;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines.Qemu;

public sealed class QmpConnectionTests
{
    [Theory]
    [InlineData("{\"QMP\":{}}\r\n{\"return\":{}}\r\n", null)]
    [InlineData("{\"QMP\":{}}\n{\"event\":\"RESUME\"}\n{\"return\":{}}\n", null)]
    [InlineData("{\"return\":{}}\n", "QEMU's monitor did not greet with QMP.")]
    [InlineData("{\"QMP\":{}}\n", "QEMU closed its monitor.")]
    [InlineData("SSH-2.0\n", "QEMU's monitor sent a line that is not JSON.")]
    [InlineData("{\"QMP\":{}}\n{\"error\":1}\n", "QEMU refused 'qmp_capabilities': {\"error\":1}")]
    [InlineData("[]\n", "QEMU's monitor did not greet with QMP.")]
    public async Task The_answer_to_the_first_command_is_waited_for(string says, string? problem)
    {
        await using var stream = new Dialogue(Encoding.UTF8.GetBytes(says));
        var exchange = QmpConnection.OpenAsync(stream, TestContext.Current.CancellationToken);
        if (problem is null) await exchange;
        else Assert.Equal(problem, (await Assert.ThrowsAsync<IOException>(() => exchange)).Message);
    }

    [Fact]
    public async Task An_endless_line_is_refused()
    {
        await using var stream = new Dialogue(Enumerable.Repeat((byte)'{', 100_000).ToArray());
        await Assert.ThrowsAsync<IOException>(() => QmpConnection.OpenAsync(stream, TestContext.Current.CancellationToken));
    }

    /// <summary>Says its piece whatever it is told.</summary>
    private sealed class Dialogue(byte[] says) : MemoryStream(says)
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.CompletedTask;
    }
}
