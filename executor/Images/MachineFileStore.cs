using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Store;

namespace RunnerVm.Images;

/// <summary>The read-only files a machine is started from; an engine that boots no kernel gets a folder for a root image, and nothing else.</summary>
internal sealed record MachineFiles(string Kernel, string Initramfs, string RootImage);

/// <summary>Makes a job's kernel, initramfs and root image ready, building what is not in the cache side by side.</summary>
/// <param name="bootsKernel">See <see cref="Machines.IMachineEngine.BootsKernel"/>.</param>
internal sealed class MachineFileStore(DataDirectory data, InstallLayout layout, TimeProvider time, bool bootsKernel = true)
{
    /// <exception cref="UserException">Something could not be built; says what and what to do.</exception>
    public async Task<MachineFiles> PrepareAsync(Job job, JobLog log, CancellationToken cancellationToken)
    {
        var progress = new PreparationProgress(log);
        try
        {
            var image = new ImageStore(data, new ImageRecipes(layout.JobImages), time).BuildAsync(job.Image, refresh: false, progress, cancellationToken);
            if (!bootsKernel) return new("", "", await new RootFolders(time).GetAsync(await image, progress, cancellationToken));
            var boot = PrepareBootAsync(job, progress, cancellationToken);
            await Task.WhenAll(image, boot);
            var (kernel, initramfs) = await boot;
            return new(kernel, initramfs, (await image).Path);
        }
        finally
        {
            await progress.DrainAsync();
        }
    }

    private async Task<(string Kernel, string Initramfs)> PrepareBootAsync(Job job, PreparationProgress progress, CancellationToken cancellationToken)
    {
        var kernel = job.Machine.KernelPath is { } path
            ? Kernel.FromFile(path)
            : await new KernelStore(data, time).GetAsync(refresh: false, progress, cancellationToken);
        return (kernel.Path, await new InitramfsStore(data, time).GetAsync(kernel, layout.GuestAgent, cancellationToken));
    }
}
