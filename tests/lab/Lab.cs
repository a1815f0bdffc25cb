using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Logs;
using RunnerVm.Machines;

namespace RunnerVm.Tests.Lab;

/// <summary>
/// A place where /dev/kvm is real and our programs, kernels and images are at hand, for scripts to run in. The folder
/// <c>$LAB</c>, which is also where scripts begin:
/// <code>
/// programs/     runnervm, runnervm-vmm, ... (first in PATH)
/// kernel/       vmlinux (ELF), vmlinuz (bzImage), initramfs.cpio (the agent's), guest.cpio (guest/init.c)
/// root.erofs    the image debian-12, read-only
/// scratch.ext4  256 MiB, formatted, empty
/// home/         RUNNERVM_HOME with kernel and image; RUNNERVM_ROOT is $LAB itself: runnervm exec works
/// </code>
/// </summary>
internal abstract class Lab : IAsyncDisposable
{
    /// <summary>From the start to the first script that can run.</summary>
    public TimeSpan UpTime { get; protected init; }

    /// <summary>A few words: what the lab is on this host.</summary>
    public abstract string Description { get; }

    /// <summary>Brings it up: the host itself where its KVM is real, else a machine whose KVM is.</summary>
    /// <param name="places">Folders to work with.</param>
    /// <param name="request">What the machine is to be.</param>
    /// <exception cref="UserException">It cannot be had here; says why and what to do.</exception>
    public static async Task<Lab> StartAsync(
        LabPlaces places, LabRequest request, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        if (!File.Exists(places.Layout.Monitor))
            throw new UserException(ExitCodes.Failed, $"Cannot bring the lab up: {places.Layout.Monitor} is not built. Run .ci/prepare.");
        var engine = new Engines(places.Data, places.Layout, TimeProvider.System);
        var probe = await engine.Probe.RunAsync(cancellationToken);
        var files = await LabFiles.PrepareAsync(places, progress, cancellationToken);
        return probe.Real && request.Place != LabPlace.Machine || request.Place == LabPlace.Host
            ? await HostLab.StartAsync(files, cancellationToken)
            : await MachineLab.StartAsync(places, files, request, engine, progress, cancellationToken);
    }

    /// <summary>Runs a bash script to its end and passes its output on as it comes.</summary>
    /// <returns>Its status, 128 + signal when killed.</returns>
    public abstract Task<int> RunAsync(string script, Func<OutputStream, ReadOnlyMemory<byte>, ValueTask> onOutput, StopRequest stop);

    /// <summary>Copies a folder of the host into one of the lab, which is relative to <c>$LAB</c>.</summary>
    public abstract Task SendAsync(string hostFolder, string labFolder, CancellationToken cancellationToken);

    /// <summary>Copies what matches the patterns (relative to <c>$LAB</c>) into a new folder of the host.</summary>
    public abstract Task ReceiveAsync(IReadOnlyList<string> patterns, string hostFolder, CancellationToken cancellationToken);

    public abstract ValueTask DisposeAsync();

    /// <summary>What scripts find in their environment.</summary>
    protected static Dictionary<string, string> Variables(string lab) => new()
    {
        ["LAB"] = lab,
        ["HOME"] = "/root",
        ["LC_ALL"] = "C.UTF-8",
        ["PATH"] = $"{lab}/programs:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ["RUNNERVM_HOME"] = $"{lab}/home",
        ["RUNNERVM_ROOT"] = lab,
        // Nothing may go on behind a test's back; what is laid down is laid down by name.
        ["RUNNERVM_SNAPSHOTS"] = "existing",
    };
}

/// <summary>Where the lab is to be.</summary>
internal enum LabPlace
{
    /// <summary>The host where its KVM is real, else a machine.</summary>
    Auto,
    Machine,
    Host,
}

/// <param name="MemoryMib">Of the lab's machine.</param>
internal sealed record LabRequest(int MemoryMib = 3072, LabPlace Place = LabPlace.Auto);
