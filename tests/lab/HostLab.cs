using CliWrap;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Logs;

namespace RunnerVm.Tests.Lab;

/// <summary>
/// The lab where the host's own KVM is real: a temporary folder laid out as in the machine, and scripts run in mount,
/// network and process namespaces of their own, so that what they make ends with them. Needs root for those.
/// </summary>
internal sealed class HostLab : Lab
{
    private readonly string _folder;

    private HostLab(string folder) => _folder = folder;

    public override string Description => "this host";

    public static async Task<HostLab> StartAsync(LabFiles files, CancellationToken cancellationToken)
    {
        if (!Environment.IsPrivilegedProcess)
            throw new UserException(ExitCodes.Failed, "Cannot use this host as the lab: its scripts make namespaces and network devices, which takes root. Run it as root.");
        var started = System.Diagnostics.Stopwatch.GetTimestamp();
        var folder = Directory.CreateTempSubdirectory("runnervm-lab-").FullName;
        foreach (var name in new[] { "programs", "kernel", "home/kernels", "home/images" }) Directory.CreateDirectory(Path.Combine(folder, name));
        foreach (var program in files.Programs) File.CreateSymbolicLink(Path.Combine(folder, "programs", Path.GetFileName(program)), program);
        foreach (var name in new[] { "vmlinux", "vmlinuz" }) File.CreateSymbolicLink(Path.Combine(folder, "kernel", name), Path.Combine(files.KernelFolder, name));
        File.CreateSymbolicLink(Path.Combine(folder, "kernel", "initramfs.cpio"), files.Initramfs);
        File.CreateSymbolicLink(Path.Combine(folder, "kernel", "guest.cpio"), files.TestGuest);
        File.CreateSymbolicLink(Path.Combine(folder, "root.erofs"), files.GuestRoot);
        File.CreateSymbolicLink(Path.Combine(folder, "job-images"), files.Recipes);
        File.CreateSymbolicLink(Path.Combine(folder, "home/kernels", Path.GetFileName(files.KernelFolder)), files.KernelFolder);
        File.Copy(Path.Combine(Path.GetDirectoryName(files.KernelFolder)!, "kernel.json"), Path.Combine(folder, "home/kernels/kernel.json"));
        foreach (var extension in new[] { ".erofs", ".json", ".packages" })
        {
            var file = Path.ChangeExtension(files.GuestRoot, extension);
            File.CreateSymbolicLink(Path.Combine(folder, "home/images", Path.GetFileName(file)), file);
        }

        await new ScratchDisks(new(Path.Combine(folder, "home")), TimeProvider.System).CreateAsync(Path.Combine(folder, "scratch.ext4"), 256L << 20, cancellationToken);
        return new(folder) { UpTime = System.Diagnostics.Stopwatch.GetElapsedTime(started) };
    }

    public override async Task<int> RunAsync(string script, Func<OutputStream, ReadOnlyMemory<byte>, ValueTask> onOutput, StopRequest stop)
    {
        var result = await Cli.Wrap("setpriv")
            .WithArguments([
                "--pdeathsig", "KILL", "--", "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
                "bash", "--noprofile", "--norc", "-c", "ip link set lo up\n" + script])
            .WithEnvironmentVariables(Variables(_folder)!)
            .WithWorkingDirectory(_folder)
            .WithValidation(CommandResultValidation.None)
            .WithStandardOutputPipe(Pass(OutputStream.StandardOutput))
            .WithStandardErrorPipe(Pass(OutputStream.StandardError))
            .ExecuteAsync(stop.Killed, stop.Asked);
        return result.ExitCode;

        PipeTarget Pass(OutputStream stream) => PipeTarget.Create(async (source, cancellationToken) =>
        {
            var buffer = new byte[64 * 1024];
            for (var count = 0; (count = await source.ReadAsync(buffer, cancellationToken)) > 0;) await onOutput(stream, buffer.AsMemory(0, count));
        });
    }

    public override Task SendAsync(string hostFolder, string labFolder, CancellationToken cancellationToken) =>
        CopyAsync(hostFolder, Path.Combine(_folder, labFolder), cancellationToken);

    public override async Task ReceiveAsync(IReadOnlyList<string> patterns, string hostFolder, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(hostFolder);
        var names = string.Join(' ', patterns);
        await Tool.RunAsync("bash", ["-c", $"shopt -s globstar; cp -a --parents -- {names} \"$0\"", hostFolder], new() { Attempt = "copy the lab's results", WorkingDirectory = _folder }, cancellationToken);
    }

    public override ValueTask DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    private static async Task CopyAsync(string from, string to, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(to);
        await Tool.RunAsync("cp", ["-a", from + "/.", to], new() { Attempt = "copy files into the lab" }, cancellationToken);
    }
}
