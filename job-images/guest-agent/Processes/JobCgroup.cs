using System.Globalization;
using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// The cgroup all steps live in, with the bounds that keep the agent alive when a job takes all memory or all process
/// numbers. The agent itself stays in the root cgroup. Everything is reached through descriptors opened before the job
/// starts, so a job that mounts over /sys or /proc breaks nothing here.
/// </summary>
internal sealed class JobCgroup
{
    /// <summary>
    /// Left to the kernel and the agent. What the kernel itself has taken is not part of the available memory, so the
    /// job's own limit is met before the machine's: there the kernel would throw out program pages for a minute first.
    /// </summary>
    private const long ReserveBytes = 16L * 1024 * 1024;
    private const int MaxProcesses = 32_768;
    private const int FirstStep = 1;

    /// <summary>About what the smallest process costs the kernel: stack, page tables, descriptors.</summary>
    private const long SmallestProcessBytes = 128 * 1024;

    private readonly SafeFileHandle _job;
    private readonly SafeFileHandle _rootProcs;
    private readonly SafeFileHandle? _oomScore;
    private readonly Lock _spawnLock = new();
    private StepCgroup? _first;

    private JobCgroup(SafeFileHandle job, SafeFileHandle rootProcs, SafeFileHandle? oomScore)
    {
        (_job, _rootProcs, _oomScore) = (job, rootProcs, oomScore);
        SetOwnOomScore("-1000"u8);
    }

    /// <param name="root">Where the cgroup file system is mounted.</param>
    /// <returns>Null when the kernel has no cgroups.</returns>
    public static JobCgroup? TryCreate(string root)
    {
        var job = $"{root}/job";
        if (KernelFile.TryOpen($"{root}/cgroup.procs", Libc.O_WRONLY) is not { } rootProcs) return null;
        EnableControllers(root);
        KernelFile.CreateFolders(job);
        EnableControllers(job);
        var available = AvailableMemory();
        var limit = available - ReserveBytes;
        if (limit > 0) _ = KernelFile.TrySet($"{job}/memory.max", $"{limit}");
        _ = KernelFile.TrySet($"{job}/pids.max", $"{MaxJobProcesses(available)}");
        return new(
            KernelFile.Open(job, Libc.O_RDONLY | Libc.O_DIRECTORY), rootProcs, KernelFile.TryOpen("/proc/self/oom_score_adj", Libc.O_WRONLY));
    }

    /// <summary>Makes the cgroup of the job's first step ahead of time.</summary>
    public StepCgroup PrepareFirstStep() => _first = CreateStep(FirstStep);

    /// <summary>A new cgroup for one step.</summary>
    public StepCgroup CreateStep(int number)
    {
        if (number == FirstStep && Interlocked.Exchange(ref _first, null) is { } prepared) return prepared;
        var name = $"{number}";
        var fd = -1;
        if (Libc.mkdirat((int)_job.DangerousGetHandle(), name, 0b111_101_101) == 0)
        {
            fd = Libc.openat((int)_job.DangerousGetHandle(), name, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        }

        return new(this, name, new(fd, ownsHandle: true));
    }

    /// <summary>
    /// Runs <paramref name="spawn"/> with the agent inside the step's cgroup and with the job's out-of-memory score:
    /// a child inherits both, so there is no moment in which it is outside.
    /// </summary>
    internal int SpawnIn(StepCgroup step, Func<int> spawn)
    {
        lock (_spawnLock)
        {
            using var procs = step.Open("cgroup.procs", Libc.O_WRONLY);
            try
            {
                if (procs is not null) _ = KernelFile.WriteOnce(procs, "0"u8);
                SetOwnOomScore("0"u8);
                return spawn();
            }
            finally
            {
                SetOwnOomScore("-1000"u8);
                _ = KernelFile.WriteOnce(_rootProcs, "0"u8);
            }
        }
    }

    /// <summary>With the job's out-of-memory score, which a child inherits.</summary>
    internal int ForkIn(Func<int> fork)
    {
        lock (_spawnLock)
        {
            try
            {
                SetOwnOomScore("0"u8);
                return fork();
            }
            finally
            {
                SetOwnOomScore("-1000"u8);
            }
        }
    }

    internal void Remove(StepCgroup step) => _ = Libc.unlinkat((int)_job.DangerousGetHandle(), step.Name, Libc.AT_REMOVEDIR);

    private static void EnableControllers(string cgroup)
    {
        var control = $"{cgroup}/cgroup.subtree_control";
        if (KernelFile.TrySet(control, "+memory +pids +cpu +io") == 0) return;
        // One at a time: a controller the kernel lacks must not take the others with it.
        foreach (var controller in (string[])["+memory", "+pids", "+cpu", "+io"]) _ = KernelFile.TrySet(control, controller);
    }

    private static long AvailableMemory()
    {
        // "MemAvailable:   443316 kB" (proc_meminfo(5)).
        const string key = "\nMemAvailable:";
        var text = KernelFile.TryRead("/proc/meminfo") ?? "";
        var at = text.IndexOf(key, StringComparison.Ordinal);
        return at < 0 ? 0 : FirstNumber(text.AsSpan(at + key.Length)) * 1024;
    }

    /// <summary>So many that ordinary jobs never meet it, so few that a fork bomb meets it before it has eaten the machine.</summary>
    private static long MaxJobProcesses(long memory) =>
        Math.Max(512, Math.Min(Math.Min(MaxProcesses, MaxPid() * 9 / 10), memory / SmallestProcessBytes));

    private static int MaxPid() =>
        FirstNumber(KernelFile.TryRead("/proc/sys/kernel/pid_max")) is > 0 and < int.MaxValue / 10 and var max ? (int)max : MaxProcesses;

    /// <summary>The digits after leading blanks, 0 without any. What the kernel writes needs no culture and no error.</summary>
    private static long FirstNumber(ReadOnlySpan<char> text)
    {
        var number = 0L;
        foreach (var digit in text.TrimStart(' '))
        {
            if (!char.IsAsciiDigit(digit)) break;
            number = (number * 10) + (digit - '0');
        }

        return number;
    }

    private void SetOwnOomScore(ReadOnlySpan<byte> score)
    {
        if (_oomScore is not null) _ = KernelFile.WriteOnce(_oomScore, score);
    }
}

/// <summary>The cgroup of one step: who belongs to it, what happened to it, and its end.</summary>
internal sealed class StepCgroup(JobCgroup job, string name, SafeFileHandle folder) : IDisposable
{
    private const int KillRounds = 100, KillPauseMilliseconds = 5;

    public string Name => name;

    public int Spawn(Func<int> spawn) => job.SpawnIn(this, spawn);

    /// <summary>As <see cref="Spawn"/>, for a process that is born in the cgroup (clone3(2), CLONE_INTO_CGROUP).</summary>
    public int Fork(SyscallScript script) => job.ForkIn(() => script.Fork((int)folder.DangerousGetHandle()));

    /// <summary>SIGKILL for all processes of the step, as one act of the kernel (5.14), or else one by one.</summary>
    /// <returns>False where there is no cgroup to tell them by.</returns>
    public bool TryKill()
    {
        if (Open("cgroup.kill", Libc.O_WRONLY) is not { } kill) return TryKillOneByOne();
        using (kill) return KernelFile.WriteOnce(kill, "1"u8) == 0;
    }

    /// <summary>Again and again, for what they start meanwhile; bounded, for the last are the kernel's to take away.</summary>
    private bool TryKillOneByOne()
    {
        for (var round = 0; round < KillRounds; round++)
        {
            using var procs = Open("cgroup.procs", Libc.O_RDONLY);
            if (procs is null || KernelFile.TryRead(procs) is not { } members) return false;
            var killed = 0;
            foreach (var line in members.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                if (int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && Libc.kill(pid, Libc.SIGKILL) == 0) killed++;
            }

            if (killed == 0) return true;
            KernelFile.Pause(KillPauseMilliseconds);
        }

        return true;
    }

    /// <summary>Whether the kernel has killed a process of this step for want of memory, the job's or the machine's.</summary>
    public bool SawOutOfMemory()
    {
        using var events = Open("memory.events", Libc.O_RDONLY);
        if (events is null || KernelFile.TryRead(events) is not { } text) return false;
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("oom_kill ", StringComparison.Ordinal)) return line != "oom_kill 0";
        }

        return false;
    }

    /// <summary>Removes the cgroup unless processes of the step live on in it.</summary>
    public void Dispose()
    {
        folder.Dispose();
        job.Remove(this);
    }

    internal SafeFileHandle? Open(string file, int flags)
    {
        if (folder.IsInvalid) return null;
        var fd = Libc.openat((int)folder.DangerousGetHandle(), file, flags | Libc.O_CLOEXEC, 0);
        return fd < 0 ? null : new(fd, ownsHandle: true);
    }
}
