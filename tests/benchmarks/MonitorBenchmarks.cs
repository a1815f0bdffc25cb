using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace RunnerVm.Benchmarks;

/// <summary>What our monitor costs beside its guest. The guests are a few instructions long, so KVM may be emulated.</summary>
internal static class MonitorBenchmarks
{
    private const int Rounds = 25;
    private const int MemoryMib = 128;

    /// <summary>It lets go of what only its start needed a tenth of a second later.</summary>
    private const int ReleaseMilliseconds = 300;

    public static string Monitor => Path.Combine(Path.GetDirectoryName(BuiltProgram.Path)!, "runnervm-vmm");

    public static void Run(BenchmarkReport report)
    {
        report.Figure("runnervm-vmm, size of the program", new FileInfo(Monitor).Length / 1e6, "MB");
        if (!File.Exists("/dev/kvm"))
        {
            Console.Error.WriteLine("  skipped: there is no /dev/kvm on this machine.");
            return;
        }

        var folder = Directory.CreateTempSubdirectory("rv").FullName;
        try
        {
            ApiSocket(report, folder);
            FirstInstruction(report, folder);
            Memory(report, folder);
            Exits(report, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void ApiSocket(BenchmarkReport report, string folder)
    {
        var (cpu, wall) = (new Sample(), new Sample());
        for (var round = 0; round <= Rounds; round++)
        {
            var watch = Stopwatch.StartNew();
            using var monitor = new MonitorProcess(folder);
            var elapsed = watch.Elapsed.TotalMilliseconds;
            var used = monitor.CpuMilliseconds;
            if (round == 0) continue; // The file cache's.
            wall.Add(elapsed);
            cpu.Add(used);
        }

        report.Figure($"exec to API socket, processor time, median of {Rounds}", cpu.Median, "ms", 8, higherIsBetter: false);
        report.Figure("exec to API socket, wall", wall.Median, "ms");
    }

    private static void FirstInstruction(BenchmarkReport report, string folder)
    {
        var configuration = Configure(folder, TinyGuest.Print());
        var (wall, cpu) = (new Sample(), new Sample());
        for (var round = 0; round <= Rounds; round++)
        {
            var watch = Stopwatch.StartNew();
            using var process = Start("--no-api", "--config-file", configuration);
            AwaitMark(process);
            var elapsed = watch.Elapsed.TotalMilliseconds;
            var used = CpuMilliseconds(process.Id);
            End(process);
            if (round == 0) continue;
            wall.Add(elapsed);
            cpu.Add(used);
        }

        report.Figure($"exec to the guest's first instruction, wall, median of {Rounds}", wall.Median, "ms");
        report.Figure("exec to the guest's first instruction, processor time", cpu.Median, "ms");
    }

    private static void Memory(BenchmarkReport report, string folder)
    {
        var socket = Path.Combine(folder, "api");
        using var process = Start("--api-sock", socket, "--config-file", Configure(folder, TinyGuest.Print()));
        AwaitMark(process);
        Thread.Sleep(ReleaseMilliseconds);
        var (resident, dirty) = BesideTheGuest(process.Id);
        Ask(socket, 3000);
        var (later, _) = BesideTheGuest(process.Id);
        End(process);
        report.Figure($"memory beside the guest's, 1 vCPU, {MemoryMib} MiB: resident", resident / 1024.0, "MiB", 5, higherIsBetter: false);
        report.Figure("memory beside the guest's: resident after 3,000 questions to its API", later / 1024.0, "MiB");
        report.Figure("memory beside the guest's: private dirty", dirty / 1024.0, "MiB");
    }

    private static void Exits(BenchmarkReport report, string folder)
    {
        const int Exits = 200_000;
        var rates = new Sample();
        for (var round = 0; round < 5; round++)
        {
            using var process = Start("--no-api", "--config-file", Configure(folder, TinyGuest.WritePort(Exits)));
            AwaitMark(process);
            var watch = Stopwatch.StartNew();
            AwaitMark(process);
            rates.Add(Exits / watch.Elapsed.TotalSeconds);
            End(process);
        }

        report.Figure("exits by port writes, median of 5", rates.Median, "/s");
    }

    private static string Configure(string folder, byte[] guest)
    {
        var kernel = Path.Combine(folder, "guest");
        File.WriteAllBytes(kernel, guest);
        var path = Path.Combine(folder, "vm.json");
        File.WriteAllText(path, $$"""
            {"boot-source": {"kernel_image_path": "{{kernel}}", "boot_args": "console=ttyS0"}, "drives": [],
             "machine-config": {"vcpu_count": 1, "mem_size_mib": {{MemoryMib}} } }
            """);
        return path;
    }

    private static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo(Monitor, arguments) { RedirectStandardOutput = true, RedirectStandardInput = true };
        return Process.Start(start)!;
    }

    private static void AwaitMark(Process process)
    {
        int read;
        while ((read = process.StandardOutput.BaseStream.ReadByte()) != TinyGuest.Mark)
            if (read < 0)
                throw new InvalidOperationException($"runnervm-vmm ended before its guest spoke, with status {Status(process)}.");
    }

    private static int Status(Process process)
    {
        process.WaitForExit();
        return process.ExitCode;
    }

    private static void End(Process process)
    {
        process.Kill();
        process.WaitForExit();
    }

    private static void Ask(string path, int times)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        var answer = new byte[16 * 1024];
        while (times-- > 0)
        {
            socket.Send("GET /vm/config HTTP/1.1\r\nHost: localhost\r\n\r\n"u8);
            if (socket.Receive(answer) == 0) throw new InvalidOperationException("runnervm-vmm does not answer.");
        }
    }

    /// <summary>Of all its threads so far, by the scheduler's own nanoseconds.</summary>
    public static double CpuMilliseconds(int process) => Directory.GetDirectories($"/proc/{process}/task")
        .Sum(static task => long.Parse(File.ReadAllText($"{task}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture)) / 1e6;

    /// <summary>In KiB, over all mappings but the guest's memory, which is told by its size.</summary>
    private static (long Resident, long PrivateDirty) BesideTheGuest(int process)
    {
        var (resident, dirty, guest) = (0L, 0L, false);
        foreach (var line in File.ReadLines($"/proc/{process}/smaps"))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            switch (words[0])
            {
                case "Size:": guest = long.Parse(words[1], CultureInfo.InvariantCulture) == MemoryMib * 1024; break;
                case "Rss:" when !guest: resident += long.Parse(words[1], CultureInfo.InvariantCulture); break;
                case "Private_Dirty:" when !guest: dirty += long.Parse(words[1], CultureInfo.InvariantCulture); break;
            }
        }

        return (resident, dirty);
    }
}
