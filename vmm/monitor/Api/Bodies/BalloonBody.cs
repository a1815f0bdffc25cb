using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>/balloon and /balloon/statistics as JSON.</summary>
internal static class BalloonBody
{
    private const long MostInterval = ushort.MaxValue;

    public static Balloon Read(JsonFields fields)
    {
        var balloon = new Balloon
        {
            AmountMib = ReadAmount(fields),
            DeflateOnOom = fields.RequiredFlag("deflate_on_oom"),
            StatsPollingIntervalS = (int)(fields.Number("stats_polling_interval_s", 0, MostInterval) ?? 0),
            FreePageReporting = fields.Flag("free_page_reporting") ?? false,
        };
        if (fields.Flag("free_page_hinting") is true)
            throw fields.Fault("free_page_hinting", "is not here. Set free_page_reporting: the guest then reports free pages by itself.");
        fields.NoOthers();
        return balloon;
    }

    public static int ReadAmountOnly(JsonFields fields)
    {
        var amount = ReadAmount(fields);
        fields.NoOthers();
        return amount;
    }

    public static int ReadInterval(JsonFields fields)
    {
        var seconds = (int)fields.RequiredNumber("stats_polling_interval_s", 0, MostInterval);
        fields.NoOthers();
        return seconds;
    }

    public static void Write(Utf8JsonWriter writer, Balloon balloon)
    {
        writer.WriteStartObject();
        writer.WriteNumber("amount_mib", balloon.AmountMib);
        writer.WriteBoolean("deflate_on_oom", balloon.DeflateOnOom);
        writer.WriteNumber("stats_polling_interval_s", balloon.StatsPollingIntervalS);
        writer.WriteBoolean("free_page_hinting", balloon.FreePageHinting);
        writer.WriteBoolean("free_page_reporting", balloon.FreePageReporting);
        writer.WriteEndObject();
    }

    public static void Write(Utf8JsonWriter writer, BalloonStatistics statistics)
    {
        writer.WriteStartObject();
        writer.WriteNumber("target_pages", statistics.TargetPages);
        writer.WriteNumber("actual_pages", statistics.ActualPages);
        writer.WriteNumber("target_mib", statistics.TargetMib);
        writer.WriteNumber("actual_mib", statistics.ActualMib);
        foreach (var (name, value) in FromGuest(statistics))
        {
            if (value is { } told) writer.WriteNumber(name, told);
        }

        writer.WriteEndObject();
    }

    private static int ReadAmount(JsonFields fields) => (int)fields.RequiredNumber("amount_mib", 0, MachineConfiguration.MostMemoryMib);

    private static (string Name, ulong? Value)[] FromGuest(BalloonStatistics statistics) =>
    [
        ("swap_in", statistics.SwapIn),
        ("swap_out", statistics.SwapOut),
        ("major_faults", statistics.MajorFaults),
        ("minor_faults", statistics.MinorFaults),
        ("free_memory", statistics.FreeMemory),
        ("total_memory", statistics.TotalMemory),
        ("available_memory", statistics.AvailableMemory),
        ("disk_caches", statistics.DiskCaches),
        ("hugetlb_allocations", statistics.HugetlbAllocations),
        ("hugetlb_failures", statistics.HugetlbFailures),
        ("oom_kill", statistics.OomKill),
        ("alloc_stall", statistics.AllocStall),
        ("async_scan", statistics.AsyncScan),
        ("direct_scan", statistics.DirectScan),
        ("async_reclaim", statistics.AsyncReclaim),
        ("direct_reclaim", statistics.DirectReclaim),
    ];
}
