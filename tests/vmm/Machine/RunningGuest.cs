using System.Text;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

/// <summary>
/// A machine as the program has it: an event loop on a thread of its own, the console in a file. Everything the machine is
/// asked goes through <see cref="OnLoop{T}"/>.
/// </summary>
internal sealed class RunningGuest : IDisposable
{
    /// <summary>Long, since ring 0 may be emulated and the machine busy; nothing waits for it when all is well.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly EventLoop _loop = new();
    private readonly Thread _thread;
    private readonly string _console = Path.Combine(Path.GetTempPath(), $"runnervm-guest-{Guid.NewGuid():n}");
    private readonly TaskCompletionSource<GuestEnd> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Exception> _loopFailed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RunningGuest(GuestOptions options, Func<MicroVmBuilder, Serial, MicroVm> build)
    {
        _thread = new Thread(Loop) { IsBackground = true, Name = "loop" };
        _thread.Start();
        try
        {
            Machine = OnLoop(() =>
            {
                var builder = new MicroVmBuilder(_loop, end => _end.TrySetResult(end))
                {
                    BootTimerStart = options.Booted is null ? null : System.Diagnostics.Stopwatch.GetTimestamp(),
                    Booted = options.Booted,
                    Input = options.Input,
                    OtherDevices = options.Devices ?? [],
                };
                return build(builder, new Serial { SerialOutPath = _console });
            });
        }
        catch
        {
            StopLoop();
            throw;
        }
    }

    public MicroVm Machine { get; }

    /// <summary>What it is made of.</summary>
    public VmResources Resources { get; private set; } = new();

    public bool Ended => _end.Task.IsCompleted;

    /// <summary>What the guest has said so far.</summary>
    public string Console => File.Exists(_console) ? ReadShared() : "";

    /// <summary>A machine with this kernel; it runs.</summary>
    public static RunningGuest Start(string kernel, VmResources? resources = null, GuestOptions options = default)
    {
        var guest = Build(kernel, resources, options);
        guest.OnLoop(guest.Machine.Resume);
        return guest;
    }

    /// <summary>Likewise, still paused.</summary>
    public static RunningGuest Build(string kernel, VmResources? resources = null, GuestOptions options = default)
    {
        resources ??= new();
        resources = resources with { BootSource = (resources.BootSource ?? new BootSource { KernelImagePath = kernel, BootArgs = "" }) with { KernelImagePath = kernel } };
        return new(options, (builder, console) => builder.Build(resources with { Serial = resources.Serial ?? console })) { Resources = resources };
    }

    /// <summary>A machine out of a snapshot, paused.</summary>
    public static RunningGuest Restore(SnapshotLoad load, GuestOptions options = default)
    {
        VmResources? resources = null;
        var guest = new RunningGuest(options, (builder, console) =>
        {
            var saved = SavedMachine.Open(load, console);
            resources = saved.Resources;
            return builder.Restore(saved);
        });
        guest.Resources = resources!;
        return guest;
    }

    /// <summary>Pauses it, takes a snapshot, and lets it go on unless told otherwise.</summary>
    public void Save(string state, string memory, SnapshotType type = SnapshotType.Full, bool resume = true) => OnLoop(() =>
    {
        Machine.Pause();
        Machine.CreateSnapshot(new() { SnapshotPath = state, MemFilePath = memory, SnapshotType = type }, Resources);
        if (resume) Machine.Resume();
    });

    /// <summary>Runs it to its end; the console is whole then.</summary>
    public static (GuestEnd End, string Console) Run(string kernel, VmResources? resources = null)
    {
        using var guest = Start(kernel, resources);
        var end = guest.WaitForEnd();
        return (end, guest.Console);
    }

    public GuestEnd WaitForEnd(TimeSpan? patience = null)
    {
        var first = Task.WhenAny(_end.Task, _loopFailed.Task);
        Assert.True(first.Wait(patience ?? Patience), $"The guest did not end. Its console:\n{Console}");
        if (_loopFailed.Task.IsCompleted) throw new InvalidOperationException("The event loop ended", _loopFailed.Task.Result);
        return _end.Task.Result;
    }

    /// <summary>Waits until the guest has said <paramref name="text"/>.</summary>
    public void WaitForConsole(string text)
    {
        var deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        using var changed = new ManualResetEventSlim();
        while (!Console.Contains(text, StringComparison.Ordinal))
        {
            Assert.True(Environment.TickCount64 < deadline && !_end.Task.IsCompleted, $"The guest never said \"{text}\". Its console:\n{Console}");
            changed.Wait(5);
        }
    }

    public void OnLoop(Action action) => OnLoop(() =>
    {
        action();
        return true;
    });

    /// <summary>What it throws comes out here.</summary>
    public T OnLoop<T>(Func<T> function)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _loop.Post(() =>
        {
            try
            {
                result.SetResult(function());
            }
#pragma warning disable CA1031 // It goes to who asked.
            catch (Exception e)
#pragma warning restore CA1031
            {
                result.SetException(e);
            }
        });
        Assert.True(Task.WhenAny(result.Task, _loopFailed.Task).Wait(Patience), "The event loop does not answer.");
        if (_loopFailed.Task.IsCompleted) throw new InvalidOperationException("The event loop ended", _loopFailed.Task.Result);
        return result.Task.GetAwaiter().GetResult();
    }

    public void Dispose()
    {
        if (!_loopFailed.Task.IsCompleted) OnLoop(Machine.Dispose);
        StopLoop();
        File.Delete(_console);
    }

    private void StopLoop()
    {
        _loop.Stop();
        _thread.Join();
        _loop.Dispose();
    }

    private string ReadShared()
    {
        using var handle = File.OpenHandle(_console, share: FileShare.ReadWrite);
        var bytes = new byte[RandomAccess.GetLength(handle)];
        return Encoding.UTF8.GetString(bytes, 0, RandomAccess.Read(handle, bytes, 0));
    }

    private void Loop()
    {
        try
        {
            _loop.Run();
        }
#pragma warning disable CA1031 // It goes to the test.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _loopFailed.TrySetResult(e);
        }
    }
}

/// <param name="Booted">Called when the guest writes to the boot timer, which is there when this is.</param>
/// <param name="Input">What is typed on the console.</param>
/// <param name="Devices">Behind those of the configuration.</param>
internal readonly record struct GuestOptions(Action<TimeSpan>? Booted = null, IReadOnlyList<Func<GuestMemory, IVirtioDevice>>? Devices = null, FileDescriptor? Input = null);
