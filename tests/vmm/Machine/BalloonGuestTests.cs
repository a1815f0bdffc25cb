using System.Globalization;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class BalloonGuestTests
{
    /// <summary>As no other guest of this process has, by which its mapping is found.</summary>
    private const int MemoryMib = 97;

    [Fact]
    public void A_guests_balloon_gives_memory_back_to_the_host_and_takes_it_again()
    {
        var kernel = FreestandingGuest.Build("balloon");
        using var guest = RunningGuest.Start(kernel, new()
        {
            Machine = new() { MemSizeMib = MemoryMib },
            Balloon = new() { AmountMib = 16, DeflateOnOom = true, StatsPollingIntervalS = 3600 },
        });
        guest.WaitForConsole("inflated");
        var statistics = guest.OnLoop(guest.Machine.ReadBalloonStatistics);
        Assert.Equal((16ul, 16ul, 4096ul), (statistics.TargetMib, statistics.ActualMib, statistics.ActualPages));
        Assert.Equal((111ul, 222ul, null), (statistics.FreeMemory, statistics.TotalMemory, statistics.SwapIn));
        // Of the 16 MiB that the guest touched, one page a page, nothing is resident now; what is, are the two large pages its code is in.
        var resident = ResidentOfGuest();
        TestContext.Current.TestOutputHelper?.WriteLine($"{resident} bytes resident with 16 MiB in the balloon");
        Assert.True(resident <= 8 << 20, $"{resident} bytes of the guest's memory are resident");

        guest.OnLoop(() => guest.Machine.UpdateBalloon(0));
        Assert.Equal(GuestEnd.Clean, guest.WaitForEnd().ExitCode);
        Assert.EndsWith("PASS\n", guest.Console, StringComparison.Ordinal);
        Assert.Equal(0ul, guest.OnLoop(guest.Machine.ReadBalloonStatistics).ActualPages);
    }

    /// <summary>Of the mapping of the guest's size.</summary>
    private static long ResidentOfGuest()
    {
        long resident = 0, found = -1;
        var size = 0L;
        foreach (var line in File.ReadLines("/proc/self/smaps"))
        {
            if (line.StartsWith("Size:", StringComparison.Ordinal)) size = Kilobytes(line);
            else if (line.StartsWith("Rss:", StringComparison.Ordinal)) resident = Kilobytes(line);
            else if (line.StartsWith("VmFlags:", StringComparison.Ordinal) && size == MemoryMib << 10) found = resident;
        }

        Assert.NotEqual(-1, found);
        return found << 10;

        static long Kilobytes(string line) => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
