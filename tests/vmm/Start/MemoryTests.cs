using System.Diagnostics;
using System.Globalization;
using RunnerVm.Tests.Vmm.Api;
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

    /// <summary>All of it is 2.6 MiB, and 1 MiB comes back soon.</summary>
    private const long MostCodeKib = 2 << 10;

    private readonly string _folder = Directory.CreateTempSubdirectory("memory-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Beside_its_guest_it_soon_holds_5_MiB_at_most_and_no_more_than_6_however_much_it_is_asked()
    {
        using var program = MonitorProgram.Start("--api-sock", Socket);
        using var api = Boot(program);
        AwaitRelease(program.Id);
        Assert.InRange(BesideTheGuest(program.Id), 1, MostKib);
        for (var i = 0; i < 300; i++)
        {
            foreach (var path in new[] { "/vm/config", "/machine-config" }) Assert.Equal(200, api.Ask("GET", path).Status);
            Assert.Equal(204, api.Ask("PATCH", "/vm", """{"state": "Paused"}""").Status);
            Assert.Equal(204, api.Ask("PATCH", "/vm", """{"state": "Resumed"}""").Status);
        }

        Assert.InRange(BesideTheGuest(program.Id), 1, MostAfterWorkKib);
    }

    /// <summary>The runtime writes among its constants at its start. With those pages let go a thread aborted when it found its stack's guard changed.</summary>
    [Fact]
    public void What_the_program_has_written_into_pages_of_its_file_outlives_the_release_of_the_others()
    {
        using var program = MonitorProgram.Start("--api-sock", Socket);
        using var waiting = program.Connect(Socket);
        var written = Written(program.Id);
        Assert.Contains(written, static line => line.Contains(" r--p ", StringComparison.Ordinal));
        waiting.Dispose();
        using var api = Boot(program);
        AwaitRelease(program.Id);
        Assert.Equal(written, Written(program.Id));
    }

    private string Socket => Path.Combine(_folder, "api");

    private ApiClient Boot(MonitorProgram program)
    {
        var api = program.Connect(Socket);
        var body = $$"""{"kernel_image_path": "{{FreestandingGuest.Build("spin")}}", "boot_args": "", "machine-config": {"vcpu_count": 1, "mem_size_mib": {{MemoryMib}} } }""";
        Assert.Equal(204, api.Ask("PUT", "/boot", body).Status);
        return api;
    }

    /// <summary>A while after the start most of the code is let go of.</summary>
    private static void AwaitRelease(int process)
    {
        var watch = Stopwatch.StartNew();
        while (Code() > MostCodeKib)
        {
            Assert.True(watch.Elapsed < MonitorProgram.Patience, $"{Code()} KiB of code are in memory.");
            Thread.Sleep(10);
        }

        long Code() => Mappings(process).Where(static mapping => mapping.Head.Contains(" r-xp ", StringComparison.Ordinal)).Sum(static mapping => mapping.Kib["Rss:"]);
    }

    /// <summary>The mappings of its file, but for its variables, of which it has pages of its own.</summary>
    private static IEnumerable<string> Written(int process) =>
        [.. Mappings(process).Where(static mapping => mapping.Head.EndsWith("/runnervm-vmm", StringComparison.Ordinal) && !mapping.Head.Contains(" rw-p ", StringComparison.Ordinal))
            .Where(static mapping => mapping.Kib["Anonymous:"] > 0).Select(static mapping => mapping.Head)];

    /// <summary>In KiB, over all mappings but the guest's memory, which is told by its size.</summary>
    private static long BesideTheGuest(int process) =>
        Mappings(process).Where(static mapping => mapping.Kib["Size:"] != MemoryMib << 10).Sum(static mapping => mapping.Kib["Rss:"]);

    private static List<(string Head, Dictionary<string, long> Kib)> Mappings(int process)
    {
        var mappings = new List<(string Head, Dictionary<string, long> Kib)>();
        foreach (var line in File.ReadLines($"/proc/{process}/smaps"))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!words[0].EndsWith(':')) mappings.Add((line, []));
            else if (words is [_, var number, "kB"]) mappings[^1].Kib[words[0]] = long.Parse(number, CultureInfo.InvariantCulture);
        }

        return mappings;
    }
}
