using System.Globalization;
using RunnerVm.Tests.Vmm.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

/// <summary>What the program takes of its host beside its guest's memory.</summary>
public sealed class MemoryTests : IDisposable
{
    private const long MemoryMib = 128;
    private const long MostKib = 5 << 10;

    /// <summary>After work also what the collector itself needs: its code, and the objects of half a MiB that it waits for.</summary>
    private const long MostAfterWorkKib = 6 << 10;

    private readonly string _folder = Directory.CreateTempSubdirectory("memory-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Beside_its_guest_it_holds_5_MiB_at_most_and_no_more_than_6_however_much_it_is_asked()
    {
        var socket = Path.Combine(_folder, "api");
        var kernel = FreestandingGuest.Build("spin");
        using var program = MonitorProgram.Start("--api-sock", socket);
        using var api = program.Connect(socket);
        Assert.Equal(204, api.Ask("PUT", "/boot", $$"""{"kernel_image_path": "{{kernel}}", "boot_args": "", "machine-config": {"vcpu_count": 1, "mem_size_mib": {{MemoryMib}} } }""").Status);
        // Asked on the loop, after what it had to do for the start.
        Assert.Equal(200, api.Ask("GET", "/").Status);
        Assert.InRange(BesideTheGuest(program.Id), 1, MostKib);
        for (var i = 0; i < 300; i++)
        {
            foreach (var path in new[] { "/vm/config", "/machine-config" }) Assert.Equal(200, api.Ask("GET", path).Status);
            Assert.Equal(204, api.Ask("PATCH", "/vm", """{"state": "Paused"}""").Status);
            Assert.Equal(204, api.Ask("PATCH", "/vm", """{"state": "Resumed"}""").Status);
        }

        Assert.InRange(BesideTheGuest(program.Id), 1, MostAfterWorkKib);
    }

    /// <summary>In KiB, over all mappings but the guest's memory, which is told by its size.</summary>
    private static long BesideTheGuest(int process)
    {
        var (resident, guest) = (0L, false);
        foreach (var words in File.ReadLines($"/proc/{process}/smaps").Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))
        {
            if (words[0] == "Size:") guest = Number(words) == MemoryMib << 10;
            if (words[0] == "Rss:" && !guest) resident += Number(words);
        }

        return resident;

        static long Number(string[] words) => long.Parse(words[1], CultureInfo.InvariantCulture);
    }
}
