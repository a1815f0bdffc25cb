using System.Globalization;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class EntropyGuestTests
{
    [Fact]
    public void A_guest_is_given_entropy_in_all_of_its_buffers()
    {
        var (_, console) = RunningGuest.Run(FreestandingGuest.Build("entropy"), new() { Entropy = new() });
        var lines = console.Split('\n');
        Assert.Equal(2, lines.Count(static line => line == "written=0x30"));
        var words = lines.Where(static line => line.StartsWith("word=0x", StringComparison.Ordinal))
            .Select(static line => ulong.Parse(line.AsSpan(7), NumberStyles.HexNumber)).ToArray();
        Assert.Equal(12, words.Length);
        // Two alike, or one of zero: less likely than 10^-17.
        Assert.Equal(12, words.Append(0ul).Distinct().Count() - 1);
        Assert.EndsWith("PASS\n", console, StringComparison.Ordinal);
    }
}
