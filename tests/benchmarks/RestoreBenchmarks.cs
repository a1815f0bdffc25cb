using System.Diagnostics;

namespace RunnerVm.Benchmarks;

/// <summary>
/// From the start of the monitor's process to a restored guest that runs: the program, its socket, one request, and the guest's
/// next letter on the console. The guest's memory is mapped, so its size should not matter.
/// </summary>
internal static class RestoreBenchmarks
{
    private const int Rounds = 25;

    public static void Run(BenchmarkReport report)
    {
        if (!File.Exists("/dev/kvm"))
        {
            Console.Error.WriteLine("  skipped: there is no /dev/kvm on this machine.");
            return;
        }

        foreach (var (mib, bound) in new[] { (512, 5.0), (4096, 6.0) })
        {
            var folder = Directory.CreateTempSubdirectory("rv").FullName;
            try
            {
                Save(report, folder, mib);
                Restore(report, folder, mib, bound);
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static void Save(BenchmarkReport report, string folder, int mib)
    {
        File.WriteAllBytes(Path.Combine(folder, "guest"), TinyGuest.PrintForEver());
        using var monitor = new MonitorProcess(folder);
        monitor.Ask("PUT", "/machine-config", $$"""{"vcpu_count": 1, "mem_size_mib": {{mib}}}""");
        monitor.Ask("PUT", "/boot-source", $$"""{"kernel_image_path": "{{folder}}/guest"}""");
        monitor.Ask("PUT", "/actions", """{"action_type": "InstanceStart"}""");
        monitor.AwaitMark();
        monitor.Ask("PATCH", "/vm", """{"state": "Paused"}""");
        var watch = Stopwatch.StartNew();
        monitor.Ask("PUT", "/snapshot/create", $$"""{"snapshot_path": "{{folder}}/state", "mem_file_path": "{{folder}}/memory"}""");
        report.Figure($"{mib} MiB: a Full of a guest that has touched little", watch.Elapsed.TotalMilliseconds, "ms");
        report.Figure($"{mib} MiB: the state file", new FileInfo(Path.Combine(folder, "state")).Length / 1024.0, "KiB");
    }

    private static void Restore(BenchmarkReport report, string folder, int mib, double bound)
    {
        var (ready, asked, runs, cpu) = (new Sample(), new Sample(), new Sample(), new Sample());
        for (var round = 0; round <= Rounds; round++)
        {
            var watch = Stopwatch.StartNew();
            using var monitor = new MonitorProcess(folder);
            var connected = watch.Elapsed.TotalMilliseconds;
            monitor.Ask("PUT", "/snapshot/load",
                $$"""{"snapshot_path": "{{folder}}/state", "mem_backend": {"backend_type": "File", "backend_path": "{{folder}}/memory"}, "resume_vm": true}""");
            var answered = watch.Elapsed.TotalMilliseconds;
            monitor.AwaitMark();
            var running = watch.Elapsed.TotalMilliseconds;
            var used = monitor.CpuMilliseconds;
            if (round == 0) continue; // The file cache's.
            ready.Add(connected);
            asked.Add(answered - connected);
            runs.Add(running);
            cpu.Add(used);
        }

        report.Figure($"{mib} MiB: exec to API socket", ready.Median, "ms");
        report.Figure($"{mib} MiB: the request to load and run", asked.Median, "ms");
        report.Figure($"{mib} MiB: processor time until the guest runs", cpu.Median, "ms");
        report.Figure($"{mib} MiB: exec to a restored guest that runs, median of {Rounds}", runs.Median, "ms", bound, higherIsBetter: false);
    }
}
