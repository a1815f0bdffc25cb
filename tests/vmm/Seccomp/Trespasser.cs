using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using RunnerVm.Vmm.Monitor.Seccomp;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Tests.Vmm.Seccomp;

/// <summary>A process with the monitor's threads and filters. One of its threads then does what it is told to.</summary>
internal static class Trespasser
{
    public const string Argument = "--trespass";

    /// <summary>What it says and returns when nobody stopped it.</summary>
    public const string Unharmed = "unharmed";

    private static readonly string[] Threads = ["main", "api", "vcpu 0", "vcpu 1"];

    public static int Run(string thread, string deed)
    {
        // Before the filters: it becomes executable.
        using var i386 = CallOfI386();
        var filters = new SeccompFilters();
        using var built = new CountdownEvent(Threads.Length - 1);
        using var started = new ManualResetEventSlim();
        var errno = 0;
        var others = Threads.Skip(1).Select(name => new Thread(() =>
        {
            built.Signal();
            started.Wait();
            if (name == "api" && !filters.TryInstallForApi()) throw new InvalidOperationException("too early");
            if (name != "api") filters.InstallForVcpu();
            if (name == thread) errno = Do(deed, i386);
        }) { Name = name }).ToList();
        others.ForEach(static other => other.Start());
        built.Wait();
        filters.InstallForProcess();
        if (thread == "main") errno = Do(deed, i386);
        if (thread == "finalizer") DoInFinalizer(deed, i386);
        started.Set();
        others.ForEach(static other => other.Join());
        LineOutput.StandardError().TryWrite(Encoding.ASCII.GetBytes(errno == 0 ? Unharmed : $"errno {errno}"));
        return 0;
    }

    private static int Do(string deed, MappedRegion i386)
    {
        switch (deed)
        {
            case "live":
                for (var i = 0; i < 3; i++)
                {
                    _ = new byte[1 << 20];
                    GC.Collect();
                }

                return 0;
            case "i386":
                Marshal.GetDelegateForFunctionPointer<Action>((nint)i386.Address)();
                return 0;
            default:
                // By name or number, and up to three arguments.
                var words = deed.Split(' ');
                var arguments = words.Skip(1).Select(static word => (nuint)ulong.Parse(word, CultureInfo.InvariantCulture)).Concat(new nuint[3]).ToArray();
                return LibC.syscall((nint)Enum.Parse<SystemCall>(words[0]), arguments[0], arguments[1], arguments[2]) < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
    }

    private static void DoInFinalizer(string deed, MappedRegion i386)
    {
        Abandon(deed, i386);
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Abandon(string deed, MappedRegion i386) => GC.KeepAlive(new Abandoned(deed, i386));

    /// <summary>mov eax, 20 (getpid of i386); int 0x80; ret</summary>
    private static MappedRegion CallOfI386()
    {
        var region = MappedRegion.Anonymous(4096);
        region.Write(0, [0xb8, 0x14, 0x00, 0x00, 0x00, 0xcd, 0x80, 0xc3]);
        region.MakeExecutable();
        return region;
    }

    private sealed class Abandoned(string deed, MappedRegion i386)
    {
        ~Abandoned() => Do(deed, i386);
    }
}
